/** A small network for small grey images: learns the embedded 8x8 digits in seconds. */
import { activation, batchNorm, conv, dense, flatten, maxPool, sequential } from '../layers/index.js';
import type { Preset } from './preset.js';

export const digits: Preset = {
  name: 'digits',
  description: 'three 3x3 convolutions and a dense layer for 8x8 grey images',
  input: { height: 8, width: 8, channels: 1 },
  data: 'digits',
  first: 'conv0',
  last: 'fc',
  sizes: [{ classes: 10, layers: 4, shortcuts: 0, parameters: 58_442, macs: 1_790_464 }],
  build: ({ classes }) =>
    sequential(
      conv('conv0', { channels: 32, bias: true }),
      activation('conv1'),
      conv('conv1', { channels: 64 }),
      batchNorm('bn1'),
      maxPool('pool1', { size: 2 }),
      activation('conv2'),
      conv('conv2', { channels: 64 }),
      batchNorm('bn2'),
      maxPool('pool2', { size: 2 }),
      activation('fc'),
      flatten(),
      dense('fc', { outputs: classes }),
    ),
  training: {
    epochs: 30,
    batch: 32,
    optimizer: { name: 'adam' },
    schedule: { name: 'cosine', learningRate: 3e-3 },
    weightDecay: 0,
  },
};
