/**
 * The SVHN network of DoReFa-Net (section 3.1; widths and order from the authors' code): seven convolutions and one fully
 * connected layer on 40x40 images. Width A has 2,080,272 weights and 41.7 M multiply-accumulates; B, C and D have half, a
 * quarter and an eighth of the channels.
 */
import { UsageError } from '../../util/errors.js';
import { activation, batchNorm, conv, dense, dropout, maxPool, sequential } from '../layers/index.js';
import type { Layer } from '../scope.js';
import type { Preset } from './preset.js';

const shares: Readonly<Record<string, number>> = { A: 1, B: 1 / 2, C: 1 / 4, D: 1 / 8 };

/** conv -> f_G -> batch norm: what conv1 to conv6 have in common. */
function block(name: string, channels: number, size: number, padding: 'same' | 'valid'): Layer {
  return sequential(conv(name, { channels, size, padding }), batchNorm(`${name}/bn`, { epsilon: 1e-4 }));
}

export const dorefaSvhn: Preset = {
  name: 'dorefa-svhn',
  description: 'DoReFa-Net section 3.1: 7 convolutions + 1 dense layer, 40x40 images, widths A-D',
  input: { height: 40, width: 40, channels: 3 },
  first: 'conv0',
  last: 'fc1',
  widths: ['A', 'B', 'C', 'D'],
  sizes: [
    { width: 'A', classes: 10, layers: 8, shortcuts: 0, parameters: 2_082_378, macs: 41_735_424 },
    { width: 'B', classes: 10, layers: 8, shortcuts: 0, parameters: 523_306, macs: 11_601_536 },
    { width: 'C', classes: 10, layers: 8, shortcuts: 0, parameters: 132_186, macs: 3_484_224 },
    { width: 'D', classes: 10, layers: 8, shortcuts: 0, parameters: 33_730, macs: 1_162_976 },
  ],
  build({ classes, width = 'A' }) {
    const share = shares[width];
    if (share === undefined) throw new UsageError(`dorefa-svhn has the widths A, B, C and D, not '${width}'`);
    return sequential(
      // The authors give the first layer a bias instead of batch norm, and no gradient quantizer.
      conv('conv0', { channels: 48 * share, size: 5, padding: 'valid', bias: true }),
      maxPool('pool0', { size: 2 }),
      activation('conv1'),
      block('conv1', 64 * share, 3, 'same'),
      activation('conv2'),
      block('conv2', 64 * share, 3, 'same'),
      maxPool('pool2', { size: 2 }),
      activation('conv3'),
      block('conv3', 128 * share, 3, 'valid'),
      activation('conv4'),
      block('conv4', 128 * share, 3, 'same'),
      activation('conv5'),
      block('conv5', 128 * share, 3, 'valid'),
      activation('conv6'),
      dropout('dropout', { rate: 0.5 }),
      block('conv6', 512 * share, 5, 'valid'),
      activation('fc1'),
      dense('fc1', { outputs: classes }),
    );
  },
  training: {
    epochs: 200,
    batch: 128,
    optimizer: { name: 'adam', epsilon: 1e-5 },
    schedule: { name: 'step', learningRate: 1e-3, every: 100, factor: 0.5 },
    weightDecay: 0,
    decayOf: { fc: 1e-7 },
  },
};

/**
 * The paper's SVHN experiment, whole (section 3.1; papers.md 1.9): the network above on the 604,388 images of `train` and `extra`
 * together, with their brightness and contrast changed. (Dropping the images that fill no batch gives the authors' 4,721 steps
 * per epoch.)
 */
export const dorefaSvhnPaper: Preset = {
  ...dorefaSvhn,
  name: 'dorefa-svhn-paper',
  description:
    "DoReFa-Net section 3.1 as the authors trained it: dorefa-svhn on SVHN's train and extra, brightness, contrast",
  data: 'svhn:extra',
  training: { ...dorefaSvhn.training, augmentation: { cropPadding: 0, flip: false, brightness: 30, contrast: 0.5 } },
};
