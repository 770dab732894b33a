/**
 * The training loop, as a generator of typed events that the command line, tests and dashboards consume.
 *
 * Everything random is a function of (seed, name, step), and the order of the images one of (seed, epoch), so a run is
 * determined by its description: a checkpoint holds tensors and positions, and a run that was killed and resumed ends with
 * the same bits as one that was not.
 */
import type { Backend } from '../core/backend.js';
import type { Dataset } from '../data/dataset.js';
import { createInlineLoader, createLoader } from '../data/loader.js';
import { defineNetwork, type NetworkDefinition, type NetworkDescription, openNetwork } from '../nn/network.js';
import { renewalAt } from '../optim/renewals.js';
import { learningRateAt } from '../optim/schedules.js';
import { Closing } from '../util/closing.js';
import { SubbitError, UsageError } from '../util/errors.js';
import { runPendingEvents } from '../util/event-loop.js';
import type { Checkpoint } from './checkpoint.js';
import {
  type CodewordChanges,
  changesOf,
  type ExchangeCounts,
  type SelectionSummary,
  selectionSummary,
  withChanges,
} from './codeword-changes.js';
import type { RunDescription, TrainingConfig } from './config.js';
import { Diagnostics, type LayerDiagnostics } from './diagnostics.js';
import { Teacher } from './distillation.js';
import { evaluateAll } from './evaluate.js';
import { fillVariables } from './fill-variables.js';
import { Histograms, type LayerHistograms } from './histograms.js';
import type { ObservationOptions } from './observation.js';
import { type Renewal, TrainingSession } from './session.js';

export interface TrainOptions {
  readonly description: RunDescription;
  /** Prepared to the network's input. */
  readonly data: Dataset;
  readonly backend: Backend;
  /** The layers to train, when they are not the description's preset. */
  readonly network?: NetworkDefinition;
  /** Continue from here. */
  readonly checkpoint?: Checkpoint;
  /** Start from these parameters and statistics; what is not among them begins as in a new network. */
  readonly initial?: Checkpoint['tensors'];
  /** Of the description's distillation. */
  readonly teacher?: Checkpoint;
  /** A checkpoint every so many steps besides those at the ends of epochs. @default 500 */
  readonly checkpointEvery?: number;
  /** Measures what the quantizers do every so many steps (diagnostics.ts). @default never */
  readonly diagnosticsEvery?: number;
  /** Measures histograms of each layer's tensors (histograms.ts) every so many epochs, and in the last. @default never */
  readonly histogramsEvery?: number;
  /** Stops after the step under way, with a checkpoint. */
  readonly signal?: AbortSignal;
  readonly onNotice?: (message: string) => void;
}

export type TrainEvent =
  | {
      readonly type: 'start';
      readonly step: number;
      readonly totalSteps: number;
      readonly stepsPerEpoch: number;
      readonly epochs: number;
    }
  | StepEvent
  | DiagnosticsEvent
  | HistogramsEvent
  | RenewalEvent
  | EpochEvent
  | { readonly type: 'checkpoint'; readonly checkpoint: Checkpoint; readonly isBest: boolean }
  | { readonly type: 'stopped'; readonly step: number }
  | { readonly type: 'done'; readonly summary: TrainingSummary };

export interface StepEvent {
  readonly type: 'step';
  /** Steps done, this one included. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
}

/** Follows its step's event. */
export interface DiagnosticsEvent {
  readonly type: 'diagnostics';
  /** The step whose batch, noise and parameters (before the update) were measured. */
  readonly step: number;
  readonly layers: readonly LayerDiagnostics[];
}

/** Follows the event of the epoch's last step, which was measured like `DiagnosticsEvent`s. */
export interface HistogramsEvent {
  readonly type: 'histograms';
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  readonly layers: readonly LayerHistograms[];
}

/** Follows the event of a step that renewed the selection of codewords. */
export interface RenewalEvent {
  readonly type: 'renewal';
  readonly step: number;
  /** By what the sub-codebooks serve (a layer, or a stage): ids that came and went. */
  readonly changes: CodewordChanges;
}

export interface EpochEvent {
  readonly type: 'epoch';
  readonly epoch: number;
  /** The last step of the epoch. */
  readonly step: number;
  readonly trainLoss: number;
  readonly testLoss: number;
  readonly testAccuracy: number;
  readonly seconds: number;
  /** Of these seconds, those in which training waited for batches. */
  readonly inputWaitSeconds: number;
}

export interface TrainingSummary {
  readonly steps: number;
  readonly finalAccuracy: number;
  readonly bestAccuracy: number;
  readonly seconds: number;
  /** Mean over the epochs that this call trained in full. */
  readonly secondsPerEpoch: number;
  /** Time spent waiting for batches. */
  readonly waitedSeconds: number;
  /** Of networks with sub-codebooks, by what these serve. */
  readonly selection?: SelectionSummary;
}

/** What a checkpoint carries besides tensors and position. */
interface History {
  readonly bestAccuracy: number;
  readonly bestEpoch: number;
  readonly finalAccuracy: number;
  /** Sum of the step losses of the epoch under way. */
  readonly lossSum: number;
  /** How many codewords each renewal exchanged, by what the sub-codebooks serve. */
  readonly changedCodewords?: ExchangeCounts;
}

const freshHistory: History = { bestAccuracy: 0, bestEpoch: 0, finalAccuracy: 0, lossSum: 0 };

/**
 * Trains and yields events in order. A `checkpoint` event's tensors are the live memory: save them before asking for the next
 * event. Throws a SubbitError when the loss stops being finite.
 */
export function train(options: TrainOptions): AsyncGenerator<TrainEvent, void, undefined> {
  return trainOn({ openNetwork, createLoader }, options);
}

/** The same numbers where there is nothing of Node: this thread fills the batches, and a network is a preset or JSON, never code. */
export function trainInPage(options: TrainOptions): AsyncGenerator<TrainEvent, void, undefined> {
  return trainOn({ openNetwork: defineNetwork, createLoader: createInlineLoader }, options);
}

/** What a training needs of where it runs. A bundle has only what its platform names. */
interface Platform {
  readonly openNetwork: (description: NetworkDescription) => NetworkDefinition | Promise<NetworkDefinition>;
  readonly createLoader: typeof createLoader | typeof createInlineLoader;
}

async function* trainOn(platform: Platform, options: TrainOptions): AsyncGenerator<TrainEvent, void, undefined> {
  const { description, data, backend, checkpoint, signal, checkpointEvery = 500 } = options;
  const { training } = description;
  if (data.test.count === 0)
    throw new UsageError(`${data.name} has no images to test on, which every epoch ends with; give it a test split`);
  const network = options.network ?? (await platform.openNetwork(description.network));
  const closing = new Closing();
  try {
    const teacher = closing.add(await createTeacher(options, network, platform));
    const isDistilled = teacher !== undefined;
    const session = closing.add(new TrainingSession(backend, network, { ...training, distilled: isDistilled }));
    const notice = options.onNotice === undefined ? {} : { onNotice: options.onNotice };
    const shared = { batch: training.batch, zeroPoints: data.zeroPoints, seed: training.seed, ...notice };
    const ofTraining = { ...shared, shuffle: true, dropLast: true, augmentation: training.augmentation };
    const loader = closing.add(await platform.createLoader(data.train, ofTraining));
    const testLoader = closing.add(await platform.createLoader(data.test, shared));
    const { batch, seed, labelSmoothing = 0 } = training;
    const observation = { batch, seed, labelSmoothing, distilled: isDistilled };
    const diagnostics = closing.add(createDiagnostics(session, network, observation, options));
    const { histogramsEvery } = options;
    const histograms = closing.add(
      histogramsEvery === undefined ? undefined : new Histograms(session.variables, network, observation),
    );
    // A run that starts from another one takes its parameters and statistics, with a fresh optimizer.
    if (checkpoint !== undefined) fillVariables(session.variables, checkpoint.tensors);
    else if (options.initial) {
      const { initial } = options;
      fillVariables(session.variables, initial, (name) => name in initial && !optimizerState.test(name));
    }
    const stepsPerEpoch = loader.numBatches;
    const totalSteps = training.epochs * stepsPerEpoch;
    let step = checkpoint?.step ?? 0;
    if (checkpoint !== undefined) requireSameBatches(checkpoint, stepsPerEpoch);
    let history = (checkpoint?.history as unknown as History | undefined) ?? freshHistory;
    // A quantizer turns a number that is not finite into a level, so the loss alone does not show one: parameters are looked
    // at as well, and a checkpoint never holds one.
    const snapshot = async (): Promise<Checkpoint> => {
      const tensor = await session.findNonFiniteVariable();
      if (tensor !== undefined)
        throw diverged(tensor, step, learningRateAt(training.schedule, { step, totalSteps, stepsPerEpoch }));
      return {
        step,
        epoch: Math.floor(step / stepsPerEpoch) + 1,
        batch: step % stepsPerEpoch,
        seed: training.seed,
        tensors: Object.fromEntries(
          [...session.variables.entries()].map(({ name, shape, data }) => [name, { shape, data }]),
        ),
        network: description as unknown as Checkpoint['network'],
        history: { ...history },
      };
    };
    const started = performance.now();
    let fullEpochs = 0;
    let fullEpochSeconds = 0;
    let savedAt = step;

    yield { type: 'start', step, totalSteps, stepsPerEpoch, epochs: training.epochs };
    if (checkpoint === undefined) yield { type: 'checkpoint', checkpoint: await snapshot(), isBest: false };
    while (step < totalSteps) {
      const epoch = Math.floor(step / stepsPerEpoch);
      const firstBatch = step % stepsPerEpoch;
      const epochStarted = performance.now();
      let stepEnded = epochStarted;
      const waitedBefore = loader.waitedMilliseconds;
      for await (const batch of loader.batches(epoch, firstBatch)) {
        const learningRate = learningRateAt(training.schedule, { step, totalSteps, stepsPerEpoch });
        const targets = await teacher?.targetsOf(batch.images, batch.labels);
        const looked = performance.now();
        const observed = { images: batch.images, labels: batch.labels, step, targets };
        const isDiagnosed = diagnostics !== undefined && (step + 1) % options.diagnosticsEvery! === 0;
        const diagnosed = isDiagnosed ? await diagnostics.measure(observed) : undefined;
        const isMeasured =
          (step + 1) % stepsPerEpoch === 0 &&
          ((epoch + 1) % (histogramsEvery ?? 1) === 0 || epoch + 1 === training.epochs);
        const measured = isMeasured ? await histograms?.measure(observed) : undefined;
        stepEnded += performance.now() - looked;
        const renewal = renewalOf(training, step, totalSteps);
        const before = renewal && (await session.codewords());
        const loss = await session.step(batch.images, batch.labels, { step, learningRate, renewal, targets });
        if (!Number.isFinite(loss)) throw diverged((await session.findNonFinite()) ?? 'the loss', step, learningRate);
        step++;
        history = { ...history, lossSum: history.lossSum + loss };
        const now = performance.now();
        const imagesPerSecond = (1000 * training.batch) / (now - stepEnded);
        stepEnded = now;
        yield { type: 'step', step, epoch: epoch + 1, loss, learningRate, imagesPerSecond };
        if (diagnosed) yield { type: 'diagnostics', step, layers: diagnosed };
        if (measured) yield { type: 'histograms', step, epoch: epoch + 1, layers: measured };
        if (before) {
          const changes = changesOf(before, await session.codewords());
          history = { ...history, changedCodewords: withChanges(history.changedCodewords, changes) };
          yield { type: 'renewal', step, changes };
        }
        await runPendingEvents();
        const isEpochEnd = step % stepsPerEpoch === 0;
        if (signal?.aborted && !isEpochEnd) break;
        if (!isEpochEnd && step - savedAt >= checkpointEvery) {
          savedAt = step;
          yield { type: 'checkpoint', checkpoint: await snapshot(), isBest: false };
        }
      }
      if (step % stepsPerEpoch !== 0) {
        yield { type: 'checkpoint', checkpoint: await snapshot(), isBest: false };
        yield { type: 'stopped', step };
        return;
      }
      const inputWaitSeconds = (loader.waitedMilliseconds - waitedBefore) / 1000;
      const test = await evaluateAll(session, testLoader);
      const trainLoss = history.lossSum / stepsPerEpoch;
      const seconds = (performance.now() - epochStarted) / 1000;
      if (firstBatch === 0) {
        fullEpochs++;
        fullEpochSeconds += seconds;
      }
      const isBest = test.accuracy > history.bestAccuracy;
      history = {
        ...history,
        bestAccuracy: isBest ? test.accuracy : history.bestAccuracy,
        bestEpoch: isBest ? epoch + 1 : history.bestEpoch,
        finalAccuracy: test.accuracy,
        lossSum: 0,
      };
      const testResults = { testLoss: test.loss, testAccuracy: test.accuracy };
      yield { type: 'epoch', epoch: epoch + 1, step, trainLoss, ...testResults, seconds, inputWaitSeconds };
      savedAt = step;
      yield { type: 'checkpoint', checkpoint: await snapshot(), isBest };
      if (signal?.aborted && step < totalSteps) {
        yield { type: 'stopped', step };
        return;
      }
    }
    const selection = selectionSummary(await session.codewords(), history.changedCodewords);
    yield {
      type: 'done',
      summary: {
        steps: step,
        finalAccuracy: history.finalAccuracy,
        bestAccuracy: history.bestAccuracy,
        seconds: (performance.now() - started) / 1000,
        secondsPerEpoch: fullEpochs === 0 ? 0 : fullEpochSeconds / fullEpochs,
        waitedSeconds: loader.waitedMilliseconds / 1000,
        ...(selection && { selection }),
      },
    };
  } finally {
    await closing.close();
  }
}

async function createTeacher(
  { teacher, description, backend }: TrainOptions,
  network: NetworkDefinition,
  platform: Platform,
): Promise<Teacher | undefined> {
  const { distillation, batch } = description.training;
  if ((teacher === undefined) !== (distillation === undefined))
    throw new SubbitError(
      'a training with a teacher needs both: its checkpoint, and the distillation of the description',
    );
  if (teacher === undefined || distillation === undefined) return undefined;
  const own = await platform.openNetwork((teacher.network as unknown as RunDescription).network);
  return new Teacher(backend, teacher, {
    ...{ student: description.network, definitions: [own, network], batch, weight: distillation.weight },
  });
}

/** Throws when an epoch has another number of batches than it had when the checkpoint was saved. */
function requireSameBatches({ step, epoch, batch }: Checkpoint, stepsPerEpoch: number): void {
  if (epoch === Math.floor(step / stepsPerEpoch) + 1 && batch === step % stepsPerEpoch) return;
  throw new UsageError(
    `the checkpoint of step ${step} was saved at batch ${batch} of epoch ${epoch}, and an epoch has ${stepsPerEpoch} batches now: ` +
      'the training set has changed; restore it, or begin a new run with --init',
  );
}

function renewalOf({ renewals }: TrainingConfig, step: number, totalSteps: number): Renewal | undefined {
  const index = renewals && renewalAt(renewals, { step, totalSteps });
  return index === undefined ? undefined : { index, learningRate: renewals!.learningRate };
}

function createDiagnostics(
  session: TrainingSession,
  network: NetworkDefinition,
  observation: ObservationOptions,
  { diagnosticsEvery, onNotice }: TrainOptions,
): Diagnostics | undefined {
  if (diagnosticsEvery === undefined) return undefined;
  const diagnostics = new Diagnostics(session.variables, network, observation);
  if (!diagnostics.isEmpty) return diagnostics;
  onNotice?.('there are no diagnostics of a network without quantized layers');
  diagnostics.dispose();
  return undefined;
}

/** The names that optimizers give to their state. */
const optimizerState = /\/(velocity|first|second)$/;

function diverged(tensor: string, step: number, learningRate: number): SubbitError {
  return new SubbitError(
    `the training diverged at step ${step + 1}: ${tensor} holds a value that is infinite or not a number; ` +
      `try a learning rate below ${learningRate.toPrecision(3)} (--lr), a warm-up (--warmup), or more gradient bits`,
  );
}
