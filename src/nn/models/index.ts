/** The list of presets. */
import { digits } from './digits.js';
import { dorefaSvhn } from './dorefa-svhn.js';
import type { Preset } from './preset.js';
import { resnet20 } from './resnet20.js';

export type { Preset, TrainingDefaults } from './preset.js';

export const presets: Readonly<Record<string, Preset>> = {
  [digits.name]: digits,
  [dorefaSvhn.name]: dorefaSvhn,
  [resnet20.name]: resnet20,
};
