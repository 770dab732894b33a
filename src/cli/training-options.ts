/** The options of a training, the same for every command that begins one. */
import type { Command as Parser } from 'commander';
import type { Augmentation, Dataset } from '../data/index.js';
import { optimizers } from '../optim/optimizers.js';
import { scheduleFor, schedules } from '../optim/schedules.js';
import type { TrainingConfig } from '../train/config.js';
import { UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';
import { integer, number, share } from './command.js';
import { addDataOptions, type DataOptions } from './load-data.js';
import type { TrainingRunOptions } from './training-run.js';

export interface TrainingOptions extends TrainingRunOptions, DataOptions {
  readonly epochs?: number;
  readonly batch?: number;
  readonly lr?: number;
  readonly optimizer?: string;
  readonly schedule?: string;
  readonly warmup?: number;
  readonly weightDecay?: number;
  readonly decayOf?: Readonly<Record<string, number>>;
  readonly labelSmoothing?: number;
  readonly crop?: number;
  readonly flip?: boolean;
  readonly brightness?: number;
  readonly contrast?: number;
  readonly resizedCrop?: number;
  readonly teacher?: string;
  readonly distill: number;
  readonly seed: number;
  readonly out?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `defaults` says where the defaults come from: "the preset's". */
export function addTrainingOptions(parser: Parser, { defaults }: { readonly defaults: string }): Parser {
  addDataOptions(parser, 'data set: a name (see `data list`), a folder or a file; options of it after a colon');
  return parser
    .option('--epochs <n>', `epochs; ${defaults} by default`, integer('--epochs', 1))
    .option('--batch <n>', `images per step; ${defaults} by default`, integer('--batch', 1))
    .option('--lr <rate>', `learning rate; ${defaults} by default`, number('--lr', 0))
    .option('--optimizer <name>', `${Object.keys(optimizers).join(', ')}; ${defaults} by default`)
    .option('--schedule <name>', `${Object.keys(schedules).join(', ')}; ${defaults} by default`)
    .option(
      '--warmup <steps>',
      `steps of linear warm-up; ${defaults} by default, at most a tenth of all`,
      integer('--warmup', 0),
    )
    .option('--weight-decay <l2>', 'L2 coefficient of all filters (adamw: decoupled)', number('--weight-decay', 0))
    .option(
      '--decay-of <PREFIX=L2>',
      'another for the filters of layers whose names begin so; the longest that fits counts; may be repeated',
      collectDecayOf,
    )
    .option('--label-smoothing <share>', 'of the uniform distribution in the targets', share('--label-smoothing'))
    .option(
      '--crop <pixels>',
      `random crop with this padding; this and the next four: ${defaults} or else the data set's by default`,
      integer('--crop', 0),
    )
    .option('--flip', 'random horizontal flip')
    .option('--no-flip', 'no random flip')
    .option('--brightness <b>', 'random brightness: add -b .. b to the bytes', integer('--brightness', 0, 255))
    .option('--contrast <c>', 'random contrast: a factor of 1 - c .. 1 + c, 0..1', share('--contrast'))
    .option(
      '--resized-crop <share>',
      'random crop of at least this share of the area, resized; 0 = none',
      share('--resized-crop'),
    )
    .option('--teacher <run>', 'distillation: a trained run whose probabilities are part of the target')
    .option(
      '--distill <weight>',
      "of the teacher's probabilities, 0..1; the rest is the label's",
      share('--distill'),
      0.9,
    )
    .option('--seed <n>', 'of everything random', integer('--seed', 0, 2 ** 31 - 1), 1)
    .option('--out <dir>', 'folder of the run; runs/PRESET-BITS-N by default')
    .option('--force', 'replace the run that is in the folder')
    .option(
      '--checkpoint-every <steps>',
      'steps between checkpoints within an epoch',
      integer('--checkpoint-every', 1),
      500,
    )
    .option(
      '--diagnostics <steps>',
      "write each layer's gradient bias and variance, saturation, sign flips and used levels to metrics.jsonl every so many steps",
      integer('--diagnostics', 1),
    )
    .option(
      '--histograms <epochs>',
      "write histograms of each layer's weights, activations and gradients to metrics.jsonl every so many epochs",
      integer('--histograms', 1),
    )
    .option('--tensorboard [dir]', 'write event files of TensorBoard, into RUN/tensorboard by default')
    .option('--json', 'print one JSON object when done');
}

function collectDecayOf(text: string, before: Readonly<Record<string, number>> = {}): Record<string, number> {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--decay-of takes PREFIX=L2, like fc=1e-4, not '${text}'`);
  return { ...before, [text.slice(0, at)]: number('--decay-of', 0)(text.slice(at + 1)) };
}

/** A coefficient for all filters takes the place of the defaults' groups. */
function decayOf(defaults: TrainingDefaults, options: TrainingOptions): Pick<TrainingConfig, 'decayOf'> {
  const groups = { ...(options.weightDecay === undefined ? defaults.decayOf : {}), ...options.decayOf };
  return Object.keys(groups).length === 0 ? {} : { decayOf: groups };
}

/** Of a preset, or of the run to go on from. */
type TrainingDefaults = Omit<TrainingConfig, 'data' | 'augmentation' | 'seed'> & {
  readonly augmentation?: Augmentation;
};

/** The training that the options ask for; `source` is the name or path of the data. Throws UsageErrors. */
export function trainingConfig(
  defaults: TrainingDefaults,
  source: string,
  data: Dataset,
  options: TrainingOptions,
): TrainingConfig {
  const { optimizer, schedule, labelSmoothing: smoothing = defaults.labelSmoothing } = options;
  if (optimizer !== undefined) lookUp(optimizers, optimizer, 'optimizer');
  if (schedule !== undefined) lookUp(schedules, schedule, 'schedule');
  const { epochs = defaults.epochs, batch = defaults.batch } = options;
  const totalSteps = epochs * Math.floor(data.train.count / batch);
  return {
    data: source,
    epochs,
    batch,
    // The defaults' own optimizer, when it is named, keeps its settings.
    optimizer:
      optimizer === undefined || optimizer === defaults.optimizer.name
        ? defaults.optimizer
        : { name: optimizer as keyof typeof optimizers },
    schedule: {
      ...scheduleFor(defaults.schedule, totalSteps),
      ...(schedule === undefined ? {} : { name: schedule as keyof typeof schedules }),
      ...(options.lr === undefined ? {} : { learningRate: options.lr }),
      ...(options.warmup === undefined ? {} : { warmupSteps: options.warmup }),
    },
    weightDecay: options.weightDecay ?? defaults.weightDecay,
    ...decayOf(defaults, options),
    ...(smoothing === undefined ? {} : { labelSmoothing: smoothing }),
    ...(defaults.renewals === undefined ? {} : { renewals: defaults.renewals }),
    augmentation: augmentationOf(defaults.augmentation ?? data.augmentation, options),
    ...(options.teacher === undefined ? {} : { distillation: { teacher: options.teacher, weight: options.distill } }),
    seed: options.seed,
  };
}

function augmentationOf(defaults: Augmentation, options: TrainingOptions): Augmentation {
  const { crop, flip, brightness, contrast, resizedCrop } = options;
  return {
    ...defaults,
    ...(crop === undefined ? {} : { cropPadding: crop }),
    ...(flip === undefined ? {} : { flip }),
    ...(brightness === undefined ? {} : { brightness }),
    ...(contrast === undefined ? {} : { contrast }),
    ...(resizedCrop === undefined ? {} : { resizedCrop }),
  };
}

/** The options that a training follows, also those that were left to the defaults: `trainingConfig` backwards. */
export function trainingChoices(training: TrainingConfig): Readonly<Record<string, unknown>> {
  const { schedule, renewals, augmentation } = training;
  return {
    data: training.data,
    epochs: training.epochs,
    batch: training.batch,
    lr: schedule.learningRate,
    optimizer: training.optimizer.name,
    schedule: schedule.name,
    warmup: schedule.warmupSteps,
    weightDecay: training.weightDecay,
    decayOf: training.decayOf,
    labelSmoothing: training.labelSmoothing,
    crop: augmentation.cropPadding,
    flip: augmentation.flip,
    brightness: augmentation.brightness,
    contrast: augmentation.contrast,
    resizedCrop: augmentation.resizedCrop,
    compute: training.compute,
    ...(renewals && {
      renewEvery: renewals.every,
      renewAfter: renewals.warmupSteps,
      renewUntil: renewals.until,
      selectionLr: renewals.learningRate,
    }),
  };
}
