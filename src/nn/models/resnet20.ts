/**
 * ResNet-20 for 32x32 images (He et al. 2016), in pre-activation order: a 3x3 stem, three stages of three blocks with 16, 32
 * and 64 channels, global average pooling, a dense layer. 268 k weights, 40.6 M multiply-accumulates.
 *
 *     block(x) = shortcut(x) + conv2(f_A(h(BN(conv1(f_A(h(BN(x))))))))
 *
 * Activations are quantized right before each convolution of a block, because that is what the low-bit products need, and
 * nowhere else: the residual stream stays real, so a block can add small corrections to it that a quantizer of few levels
 * would lose. The shortcut has no parameters: it takes every second pixel and appends zero channels where a stage begins.
 * The last activation is a plain relu, since nothing after it is quantized.
 */
import {
  activation,
  batchNorm,
  conv,
  dense,
  globalAverage,
  residual,
  sequential,
  stridedShortcut,
} from '../layers/index.js';
import type { Layer } from '../scope.js';
import type { Preset } from './preset.js';

function block(name: string, channels: number, stride: number): Layer {
  const body = sequential(
    batchNorm(`${name}/bn1`),
    activation(`${name}/conv1`),
    conv(`${name}/conv1`, { channels, stride, padding: 1 }),
    batchNorm(`${name}/bn2`),
    activation(`${name}/conv2`),
    conv(`${name}/conv2`, { channels, padding: 1 }),
  );
  if (stride === 1) return residual(name, { body });
  return residual(name, { body, shortcut: stridedShortcut(`${name}/shortcut`, { stride, channels }) });
}

export const resnet20: Preset = {
  name: 'resnet20',
  description: 'ResNet-20, pre-activation, 32x32 images (CIFAR)',
  input: { height: 32, width: 32, channels: 3 },
  first: 'stem',
  last: 'fc',
  sizes: [{ classes: 10, layers: 20, shortcuts: 9, parameters: 269_722, macs: 40_551_040 }],
  build({ classes }) {
    const blocks: Layer[] = [];
    for (const [stage, channels] of [16, 32, 64].entries()) {
      for (let i = 0; i < 3; i++)
        blocks.push(block(`stage${stage + 1}/block${i + 1}`, channels, stage > 0 && i === 0 ? 2 : 1));
    }
    return sequential(
      conv('stem', { channels: 16, padding: 1 }),
      ...blocks,
      batchNorm('bn'),
      activation('fc', { bounded: false }),
      globalAverage('pool'),
      dense('fc', { outputs: classes }),
    );
  },
  training: {
    epochs: 100,
    batch: 128,
    optimizer: { name: 'sgd', momentum: 0.9, nesterov: true },
    schedule: { name: 'cosine', learningRate: 0.1, warmupSteps: 390 },
    weightDecay: 1e-4,
  },
};
