/**
 * ResNet-18 and ResNet-34 (He et al. 2016), in pre-activation order: a stem, four stages with 64, 128, 256 and 512 channels,
 * global average pooling, a dense layer. ResNet-18 has two blocks in each stage, ResNet-34 has 3, 4, 6 and 3.
 *
 *     block(x) = x + conv2(f_A(h(BN(conv1(a)))))               a = f_A(h(BN(x)))
 *     block(x) = shortcut(a) + conv2(f_A(h(BN(conv1(a)))))     the first of stages 2 to 4
 *
 * As in resnet20, activations are quantized right before the convolutions and nowhere else, so that the residual stream stays
 * real. Where a stage changes the shape, the shortcut is a 1x1 convolution with stride 2 of the levels that conv1 takes (so
 * conv1 and shortcut have the same activation bits): low-bit like the others, and its result is real again. The first batch
 * norm is that of the first block; in the ImageNet stem it stands behind the max-pool.
 *
 *                               resnet18, 224x224x3      resnet18-cifar, 32x32x3
 *                               stem 7x7 and max-pool    stem 3x3
 *                                weights         MAC      weights       MAC
 *     stem                             9,408     118.0 M      1,728       1.8 M
 *     stage1   4 x 3x3 64            147,456     462.4 M      147,456   151.0 M
 *     stage2   4 x 3x3 128           516,096     404.6 M      516,096   132.1 M
 *     stage3   4 x 3x3 256         2,064,384     404.6 M    2,064,384   132.1 M
 *     stage4   4 x 3x3 512         8,257,536     404.6 M    8,257,536   132.1 M
 *     3 shortcuts                    172,032      19.3 M      172,032     6.3 M
 *     fc       1000, 10 classes      512,000       0.5 M        5,120     0.0 M
 *     all                         11,678,912   1,814.1 M   11,164,352   555.4 M
 *
 * Besides, two numbers per channel of 17 batch norms (7,808 in all) and a bias per class.
 *
 *                               resnet34, 224x224x3
 *                                weights         MAC
 *     stem                             9,408     118.0 M
 *     stage1   6 x 3x3 64            221,184     693.6 M
 *     stage2   8 x 3x3 128         1,105,920     867.0 M
 *     stage3  12 x 3x3 256         6,782,976   1,329.5 M
 *     stage4   6 x 3x3 512        12,976,128     635.8 M
 *     3 shortcuts                    172,032      19.3 M
 *     fc       1000 classes          512,000       0.5 M
 *     all                         21,779,648   3,663.8 M
 *
 * with 33 batch norms (15,232 numbers).
 */
import {
  activation,
  batchNorm,
  conv,
  dense,
  globalAverage,
  maxPool,
  preActivated,
  residual,
  sequential,
} from '../layers/index.js';
import type { Layer } from '../scope.js';
import type { Preset } from './preset.js';

/** From a to the sum: conv1, and conv2 with its own batch norm and activation in front. */
function body(name: string, channels: number, stride: number): Layer {
  return sequential(
    conv(`${name}/conv1`, { channels, stride, padding: 1 }),
    batchNorm(`${name}/bn2`),
    activation(`${name}/conv2`),
    conv(`${name}/conv2`, { channels, padding: 1 }),
  );
}

function block(name: string, channels: number): Layer {
  return residual(name, {
    body: sequential(batchNorm(`${name}/bn1`), activation(`${name}/conv1`), body(name, channels, 1)),
  });
}

/** Halves the image and changes the number of channels. */
function firstBlock(name: string, channels: number): Layer {
  return preActivated(name, {
    activation: sequential(batchNorm(`${name}/bn1`), activation([`${name}/conv1`, `${name}/shortcut`])),
    body: body(name, channels, 2),
    shortcut: conv(`${name}/shortcut`, { channels, size: 1, stride: 2, padding: 'valid' }),
  });
}

/** `counts`: how many blocks each stage has. */
function build(stem: Layer, counts: readonly number[], classes: number): Layer {
  const blocks = counts.flatMap((count, stage) =>
    Array.from({ length: count }, (_, i) => {
      const name = `stage${stage + 1}/block${i + 1}`;
      const channels = 64 * 2 ** stage;
      return stage > 0 && i === 0 ? firstBlock(name, channels) : block(name, channels);
    }),
  );
  return sequential(
    stem,
    ...blocks,
    batchNorm('bn'),
    activation('fc', { bounded: false }),
    globalAverage('pool'),
    dense('fc', { outputs: classes }),
  );
}

const training = {
  optimizer: { name: 'sgd', momentum: 0.9, nesterov: true },
  schedule: { name: 'cosine', learningRate: 0.1 },
  weightDecay: 1e-4,
} as const;

const blocksOf18 = [2, 2, 2, 2];
const blocksOf34 = [3, 4, 6, 3];

function imageNetStem(): Layer {
  const stem = conv('stem', { channels: 64, size: 7, stride: 2, padding: 3 });
  return sequential(stem, maxPool('stem/pool', { size: 3, stride: 2, padding: 1 }));
}

const imageNet = {
  input: { height: 224, width: 224, channels: 3 },
  first: 'stem',
  last: 'fc',
  training: { ...training, epochs: 90, batch: 256 },
} as const;

export const resnet18: Preset = {
  ...imageNet,
  name: 'resnet18',
  description: 'ResNet-18, pre-activation, 224x224 images (ImageNet)',
  sizes: [{ classes: 1000, layers: 21, shortcuts: 8, parameters: 11_687_720, macs: 1_814_073_344 }],
  build: ({ classes }) => build(imageNetStem(), blocksOf18, classes),
};

export const resnet34: Preset = {
  ...imageNet,
  name: 'resnet34',
  description: 'ResNet-34, pre-activation, 224x224 images (ImageNet)',
  sizes: [{ classes: 1000, layers: 37, shortcuts: 16, parameters: 21_795_880, macs: 3_663_761_408 }],
  build: ({ classes }) => build(imageNetStem(), blocksOf34, classes),
};

export const resnet18Cifar: Preset = {
  name: 'resnet18-cifar',
  description: 'ResNet-18, pre-activation, 32x32 images (CIFAR): 3x3 stem, no max-pool',
  input: { height: 32, width: 32, channels: 3 },
  first: 'stem',
  last: 'fc',
  sizes: [{ classes: 10, layers: 21, shortcuts: 8, parameters: 11_172_170, macs: 555_422_720 }],
  build: ({ classes }) => build(conv('stem', { channels: 64, padding: 1 }), blocksOf18, classes),
  training: { ...training, epochs: 200, batch: 128 },
};
