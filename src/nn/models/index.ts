/** The list of presets. */
import { alexnetDorefa } from './alexnet-dorefa.js';
import { digits } from './digits.js';
import { dorefaSvhn, dorefaSvhnPaper } from './dorefa-svhn.js';
import { lenet } from './lenet.js';
import type { Preset } from './preset.js';
import { resnet18, resnet18Cifar, resnet34 } from './resnet.js';
import { resnet20 } from './resnet20.js';
import { vggSmall } from './vgg-small.js';

export type { NetworkSize, Preset, TrainingDefaults } from './preset.js';

export const presets: Readonly<Record<string, Preset>> = {
  [alexnetDorefa.name]: alexnetDorefa,
  [digits.name]: digits,
  [dorefaSvhn.name]: dorefaSvhn,
  [dorefaSvhnPaper.name]: dorefaSvhnPaper,
  [lenet.name]: lenet,
  [resnet18.name]: resnet18,
  [resnet18Cifar.name]: resnet18Cifar,
  [resnet20.name]: resnet20,
  [resnet34.name]: resnet34,
  [vggSmall.name]: vggSmall,
};
