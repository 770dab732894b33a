/** Learning-rate schedules: the rate of a step as a pure function, so that a resumed run needs no state. A new one is a function here and a line in the list. */

export interface ScheduleOptions {
  readonly name: keyof typeof schedules;
  /** The rate after warm-up. */
  readonly learningRate: number;
  /** Steps over which the rate grows linearly from learningRate / warmupSteps. @default 0 */
  readonly warmupSteps?: number;
  /** `step`: epochs between the changes, @default 1 */
  readonly every?: number;
  /** or the epochs after which they come; */
  readonly at?: readonly number[];
  /** and the factor of each. @default 0.1 */
  readonly factor?: number;
}

interface Position {
  readonly step: number;
  readonly totalSteps: number;
  readonly stepsPerEpoch: number;
}

/** Factors of the learning rate at a step (0-based). */
export const schedules = {
  constant: (_: Position, __: ScheduleOptions): number => 1,
  /** `factor` ^ (number of times that `every` epochs, or of epochs `at`, that have passed). */
  step({ step, stepsPerEpoch }: Position, { every = 1, at, factor = 0.1 }: ScheduleOptions): number {
    const epochs = Math.floor(step / stepsPerEpoch);
    const changes = at === undefined ? Math.floor(epochs / every) : at.filter((epoch) => epochs >= epoch).length;
    return factor ** changes;
  },
  /** Half a cosine from 1 after warm-up to 0 at the end (Loshchilov and Hutter 2017, without restarts). */
  cosine: ({ step, totalSteps }: Position, { warmupSteps = 0 }: ScheduleOptions): number => {
    // A short run (shorter than its warm-up) has no cosine part.
    const length = Math.max(1, totalSteps - warmupSteps);
    return 0.5 * (1 + Math.cos(Math.PI * Math.min(1, Math.max(0, step - warmupSteps) / length)));
  },
};

/** The learning rate of a step (0-based). */
export function learningRateAt(options: ScheduleOptions, position: Position): number {
  const { learningRate, warmupSteps = 0 } = options;
  const warmup = position.step < warmupSteps ? (position.step + 1) / warmupSteps : 1;
  return learningRate * warmup * schedules[options.name](position, options);
}

/** The part of a training that warms up at most, where nobody asked for more. */
const warmupShare = 0.1;

/** A preset's schedule, which was chosen for a large data set, for a training of so many steps. */
export function scheduleFor(schedule: ScheduleOptions, totalSteps: number): ScheduleOptions {
  const { warmupSteps = 0 } = schedule;
  const most = Math.floor(warmupShare * totalSteps);
  return warmupSteps <= most ? schedule : { ...schedule, warmupSteps: most };
}
