/**
 * A small network for 32x32 pictures in colour or grey, after LeNet-5 (LeCun et al. 1998).
 *
 * LeNet-5's: images of 32x32, two 5x5 convolutions without padding, each followed by 2x2 pooling, and three dense layers.
 * Ours: colour; 32 and 64 channels for 6 and 16, each output channel of the second convolution taking all input channels; 256 and
 * 128 units for 120 and 84; maxima for the trained means; batch norm and clipped activations for tanh; softmax for the Gaussian
 * connections; the inner layers low-bit.
 *
 *                            weights       MAC
 *     conv1   5x5 32, 28x28    2,400     1.9 M   float, with a bias; then pool1
 *     conv2   5x5 64, 10x10   51,200     5.1 M   then pool2
 *     fc1     256            409,600     0.4 M   of 5x5x64
 *     fc2     128             32,768     0.0 M
 *     fc3     10 classes       1,280     0.0 M   float, with a bias
 *     all                    497,248     7.4 M
 *
 * Besides, two numbers per channel of 3 batch norms (896 in all). No shortcuts.
 */
import { activation, batchNorm, conv, dense, flatten, maxPool, sequential } from '../layers/index.js';
import type { Preset } from './preset.js';

export const lenet: Preset = {
  name: 'lenet',
  description: 'two 5x5 convolutions and three dense layers, 32x32 images (after LeNet-5)',
  input: { height: 32, width: 32, channels: 3 },
  first: 'conv1',
  last: 'fc3',
  sizes: [{ classes: 10, layers: 5, shortcuts: 0, parameters: 498_186, macs: 7_445_248 }],
  build: ({ classes }) =>
    sequential(
      conv('conv1', { channels: 32, size: 5, padding: 'valid', bias: true }),
      maxPool('pool1', { size: 2 }),
      activation('conv2'),
      conv('conv2', { channels: 64, size: 5, padding: 'valid' }),
      batchNorm('conv2/bn'),
      maxPool('pool2', { size: 2 }),
      activation('fc1'),
      flatten(),
      dense('fc1', { outputs: 256, bias: false }),
      batchNorm('fc1/bn'),
      activation('fc2'),
      dense('fc2', { outputs: 128, bias: false }),
      batchNorm('fc2/bn'),
      activation('fc3'),
      dense('fc3', { outputs: classes }),
    ),
  training: {
    epochs: 50,
    batch: 64,
    optimizer: { name: 'adam' },
    schedule: { name: 'cosine', learningRate: 2e-3 },
    weightDecay: 0,
  },
};
