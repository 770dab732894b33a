/** The list of presets. */
import { digits } from './digits.js';
import { dorefaSvhn, dorefaSvhnPaper } from './dorefa-svhn.js';
import type { Preset } from './preset.js';
import { resnet18, resnet18Cifar } from './resnet18.js';
import { resnet20 } from './resnet20.js';
import { vggSmall } from './vgg-small.js';

export type { Preset, TrainingDefaults } from './preset.js';

export const presets: Readonly<Record<string, Preset>> = {
  [digits.name]: digits,
  [dorefaSvhn.name]: dorefaSvhn,
  [dorefaSvhnPaper.name]: dorefaSvhnPaper,
  [resnet18.name]: resnet18,
  [resnet18Cifar.name]: resnet18Cifar,
  [resnet20.name]: resnet20,
  [vggSmall.name]: vggSmall,
};
