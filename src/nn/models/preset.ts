/** What a preset is: a network, and how it is usually trained. A new one is a file here and a line in `index.ts`. */

import type { Augmentation } from '../../image/augmentation.js';
import type { OptimizerOptions } from '../../optim/optimizers.js';
import type { ScheduleOptions } from '../../optim/schedules.js';
import type { Layer } from '../scope.js';

export interface Preset {
  readonly name: string;
  readonly description: string;
  /** Pixels and channels of the images that go in. */
  readonly input: { readonly height: number; readonly width: number; readonly channels: number };
  /** Layers that stay float unless asked otherwise (DoReFa-Net 2.7). */
  readonly first: string;
  readonly last: string;
  /** Names of the widths, the first is the default; absent when there is one. */
  readonly widths?: readonly string[];
  build(options: { readonly classes: number; readonly width?: string }): Layer;
  /** What the network has for some number of classes, one for each width; a test holds them. */
  readonly sizes?: readonly NetworkSize[];
  /** The data set that it is for, as `openData` takes it. @default the user says */
  readonly data?: string;
  readonly training: TrainingDefaults;
}

export interface NetworkSize {
  readonly width?: string;
  readonly classes: number;
  /** Convolutions and dense layers. */
  readonly layers: number;
  /** Additions of a shortcut: residual blocks. */
  readonly shortcuts: number;
  /** Weights, biases and two numbers per channel of each batch norm. */
  readonly parameters: number;
  /** Multiply-accumulates of one image. */
  readonly macs: number;
}

export interface TrainingDefaults {
  readonly epochs: number;
  readonly batch: number;
  readonly optimizer: OptimizerOptions;
  readonly schedule: ScheduleOptions;
  /** L2 coefficient of the filters: weightDecay * W is added to their gradients. */
  readonly weightDecay: number;
  /** By what a layer's name begins with, in place of `weightDecay`; the longest that fits counts. */
  readonly decayOf?: Readonly<Record<string, number>>;
  /** @default the data set's */
  readonly augmentation?: Augmentation;
}

/** For networks that do not say how they are trained. */
export const ownTraining: TrainingDefaults = {
  epochs: 50,
  batch: 64,
  optimizer: { name: 'adam' },
  schedule: { name: 'cosine', learningRate: 1e-3 },
  weightDecay: 0,
};
