/**
 * The ImageNet network of DoReFa-Net (section 3.2; papers.md 1.10, sizes and order from the authors' code): AlexNet with batch norm
 * in place of local response normalisation, convolutions 1, 3 and 4 in two groups, and a first filter of 12x12.
 *
 *                                                 weights         MAC
 *     conv0   12x12 stride 4     54x54x96          41,472     120.9 M   float, with a bias
 *     conv1    5x5, 2 groups     54x54x256        307,200     895.8 M   then 3x3 pool, stride 2
 *     conv2    3x3               27x27x384        884,736     645.0 M   then 3x3 pool, stride 2
 *     conv3    3x3, 2 groups     14x14x384        663,552     130.1 M
 *     conv4    3x3, 2 groups     14x14x256        442,368      86.7 M   then 3x3 pool, stride 2
 *     fc0                        4096          37,748,736      37.7 M   of 6x6x256, with a bias
 *     fc1                        4096          16,777,216      16.8 M
 *     fct                        1000 classes   4,096,000       4.1 M   float, with a bias
 *     all                                      60,961,280   1,937.1 M
 *
 * Besides, the biases (96, 4096 and one per class) and two numbers per channel of 6 batch norms (18,944 in all). What goes into fct
 * is bounded and not quantized. No shortcuts.
 */
import { activation, batchNorm, conv, dense, flatten, maxPool, sequential } from '../layers/index.js';
import type { Layer } from '../scope.js';
import type { Preset } from './preset.js';

/** f_A -> conv -> f_G -> batch norm: what conv1 to conv4 have in common. */
function block(name: string, options: { channels: number; size?: number; groups?: number }): Layer {
  return sequential(activation(name), conv(name, options), norm(name));
}

function norm(name: string): Layer {
  return batchNorm(`${name}/bn`, { epsilon: 1e-4 });
}

export const alexnetDorefa: Preset = {
  name: 'alexnet-dorefa',
  description: 'DoReFa-Net section 3.2: AlexNet with batch norm, 224x224 images (ImageNet)',
  input: { height: 224, width: 224, channels: 3 },
  first: 'conv0',
  last: 'fct',
  sizes: [{ classes: 1000, layers: 8, shortcuts: 0, parameters: 60_985_416, macs: 1_937_082_368 }],
  build: ({ classes }) =>
    sequential(
      conv('conv0', { channels: 96, size: 12, stride: 4, padding: 'valid', bias: true }),
      block('conv1', { channels: 256, size: 5, groups: 2 }),
      maxPool('pool1', { size: 3, stride: 2 }),
      block('conv2', { channels: 384 }),
      maxPool('pool2', { size: 3, stride: 2 }),
      block('conv3', { channels: 384, groups: 2 }),
      block('conv4', { channels: 256, groups: 2 }),
      maxPool('pool4', { size: 3, stride: 2, padding: 'valid' }),
      activation('fc0'),
      flatten(),
      dense('fc0', { outputs: 4096 }),
      norm('fc0'),
      activation('fc1'),
      dense('fc1', { outputs: 4096, bias: false }),
      norm('fc1'),
      activation('fct'),
      dense('fct', { outputs: classes }),
    ),
  training: {
    epochs: 90,
    batch: 256,
    optimizer: { name: 'adam', epsilon: 1e-5 },
    schedule: { name: 'step', learningRate: 2e-4, at: [60, 75], factor: 0.2 },
    weightDecay: 0,
    decayOf: { fc: 5e-6 },
  },
};
