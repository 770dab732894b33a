/**
 * VGG-small for 32x32 images, the CIFAR network of the binary-network literature (papers 2.5): six 3x3 convolutions with a
 * maximum over 2x2 windows after every second, and a dense layer. The first convolution is float and the other five are
 * low-bit.
 *
 *     block(x) = shortcut(x) + conv(f_A(h(BN(x))))
 *
 * As in resnet20, activations are quantized right before the convolutions and nowhere else, and every low-bit convolution has a
 * real-valued shortcut around it (Bi-Real Net, papers 3.2). Where the channels double the shortcut appends zero channels. The
 * maxima are taken of the sums, so that a shortcut never crosses one: the pooled stream is what the next block begins
 * with. The last activation is a plain relu, since nothing after it is quantized.
 *
 *                                  weights         MAC
 *     conv1   3x3 128, 32x32          3,456       3.5 M   float
 *     conv2   3x3 128, 32x32        147,456     151.0 M   then pool2
 *     conv3   3x3 256, 16x16        294,912      75.5 M
 *     conv4   3x3 256, 16x16        589,824     151.0 M   then pool4
 *     conv5   3x3 512, 8x8        1,179,648      75.5 M
 *     conv6   3x3 512, 8x8        2,359,296     151.0 M   then pool6
 *     fc      10 classes             81,920       0.1 M   float, of 4x4x512
 *     all                         4,656,512     607.6 M
 *
 * Conv2 to conv6: 4,571,136 weights, 604.0 M multiply-accumulates. Besides, two numbers per channel of 6 batch norms (3,584 in
 * all) and a bias per class.
 */
import {
  activation,
  batchNorm,
  conv,
  dense,
  flatten,
  maxPool,
  residual,
  sequential,
  stridedShortcut,
} from '../layers/index.js';
import type { Layer } from '../scope.js';
import type { Preset } from './preset.js';
import { resnet20 } from './resnet20.js';

function block(index: number, channels: number, isWider: boolean): Layer {
  const name = `conv${index}`;
  const body = sequential(batchNorm(`${name}/bn`), activation(name), conv(name, { channels, padding: 1 }));
  if (!isWider) return residual(`${name}/sum`, { body });
  return residual(`${name}/sum`, { body, shortcut: stridedShortcut(`${name}/shortcut`, { stride: 1, channels }) });
}

export const vggSmall: Preset = {
  name: 'vgg-small',
  description: 'VGG-small, 32x32 images (CIFAR), with a real-valued shortcut around every low-bit convolution',
  input: { height: 32, width: 32, channels: 3 },
  first: 'conv1',
  last: 'fc',
  sizes: [{ classes: 10, layers: 7, shortcuts: 5, parameters: 4_660_106, macs: 607_600_640 }],
  build: ({ classes }) =>
    sequential(
      conv('conv1', { channels: 128, padding: 1 }),
      block(2, 128, false),
      maxPool('pool2', { size: 2 }),
      block(3, 256, true),
      block(4, 256, false),
      maxPool('pool4', { size: 2 }),
      block(5, 512, true),
      block(6, 512, false),
      maxPool('pool6', { size: 2 }),
      batchNorm('bn'),
      activation('fc', { bounded: false }),
      flatten(),
      dense('fc', { outputs: classes }),
    ),
  training: resnet20.training,
};
