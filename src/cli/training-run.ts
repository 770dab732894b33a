/** A training under way on the command line: events go to the run's folder and the screen, Ctrl-C saves, the end is reported. */
import { existsSync } from 'node:fs';
import type { Command as Parser } from 'commander';
import { openBackend } from '../backends/index.js';
import { initialSelection } from '../compact/initial-selection.js';
import type { Backend } from '../core/backend.js';
import type { Graph } from '../core/graph.js';
import type { Dataset } from '../data/index.js';
import { floatBits } from '../nn/bits.js';
import { buildGraph, type NetworkDefinition, openNetwork } from '../nn/network.js';
import { isSelectionVariable } from '../nn/selection.js';
import { type LayerSummary, summarize } from '../nn/summary.js';
import { channelsOf } from '../ops/elementwise/elementwise.js';
import { type Checkpoint, saveCheckpoint } from '../train/checkpoint.js';
import type { RunDescription } from '../train/config.js';
import { tensorboardFolder } from '../train/event-files.js';
import { requireTensors } from '../train/fill-variables.js';
import { type MetricsLine, MetricsWriter, metricsFile } from '../train/metrics.js';
import { toOwn } from '../train/naming/index.js';
import { RunFolder } from '../train/run-folder.js';
import { TensorboardWriter } from '../train/tensorboard.js';
import { type TrainEvent, type TrainingSummary, train } from '../train/trainer.js';
import { Closing } from '../util/closing.js';
import { UsageError } from '../util/errors.js';
import type { BackendOptions } from './command.js';
import { type ComputeOption, computeOf } from './compute-option.js';
import { commandLineOf, configOf } from './config-file.js';
import { createProgress, formatDuration, type Output } from './output.js';
import { openCheckpoint, type Weights } from './runs.js';
import { type TrainingOptions, trainingChoices } from './training-options.js';

/** Options that do not change what a run computes. */
export interface TrainingRunOptions {
  readonly checkpointEvery: number;
  readonly diagnostics?: number;
  readonly histograms?: number;
  /** A folder; true for the run's own. */
  readonly tensorboard?: string | true;
}

/** Exit code of a command that Ctrl-C ended, as shells have it. */
const interruptedExitCode = 130;

export interface TrainingRun {
  readonly description: RunDescription;
  readonly data: Dataset;
  readonly backend: Backend;
  /** Asked once the training is ready to begin: what it refuses leaves folders as they are. */
  readonly openRun: () => RunFolder;
  readonly output: Output;
  readonly options: TrainingRunOptions;
  /** Steps done before. */
  readonly step: number;
  readonly network: NetworkDefinition;
  readonly teacher?: Checkpoint;
  readonly checkpoint?: Checkpoint;
  /** What a new run starts from. */
  readonly initial?: Checkpoint['tensors'];
}

/** A run that is about to begin. */
export interface NewRun {
  /** Without `compute`. */
  readonly description: RunDescription;
  readonly data: Dataset;
  readonly options: TrainingOptions & BackendOptions & ComputeOption;
  /** The command, with what it was given. */
  readonly parser: Parser;
  readonly output: Output;
  /** The trained network to start from. */
  readonly parent?: Weights;
}

/** Begins a run in a folder of its own and trains. A mistake in the description leaves no folder behind. */
export async function startTraining({ description, data, options, parser, output, parent }: NewRun): Promise<void> {
  const network = await openNetwork(description.network);
  const { graph, logits } = buildGraph(network, { batch: 1, training: true, seed: options.seed });
  const { length: classes } = description.network.classes;
  const outputs = channelsOf(logits.type.shape);
  if (outputs !== classes)
    throw new UsageError(
      `the network has ${outputs} outputs and the data ${classes} classes; they must be as many (in a model of your own, "outputs": "classes" sees to it)`,
    );
  const initial =
    parent && initialTensors(network, graph, byOwnNames(parent, graph, description), { classes, note: output.note });
  const backend = await openBackend({ ...options, onNotice: output.note });
  const compute = computeOf(options, backend);
  const { distillation } = description.training;
  const teacher = openTeacher(description.training, output);
  const complete: RunDescription = {
    ...description,
    training: {
      ...description.training,
      compute,
      ...(distillation && teacher && { distillation: { ...distillation, teacherStep: teacher.step } }),
    },
  };
  const { preset, bits, codewords } = description.network;
  const config = configOf(parser, { ...trainingChoices(complete.training), backend: backend.name });
  const openRun = (): RunFolder => {
    const run = RunFolder.create({
      ...(options.out === undefined ? {} : { out: options.out }),
      name: `${preset}-${bits}${codewords === undefined ? '' : `-${codewords}`}`,
      force: options.force ?? false,
      config: complete,
      options: config,
    });
    output.note(`to repeat it: ${commandLineOf(parser, config)}`);
    return run;
  };
  await runTraining({
    ...{ description: complete, data, backend, openRun, output, options, step: 0, network },
    ...(teacher && { teacher }),
    ...(initial && { initial }),
  });
}

function byOwnNames({ tensors, foreign, ...rest }: Weights, graph: Graph, { network }: RunDescription): Weights {
  return foreign === undefined ? { tensors, ...rest } : toOwn({ ...foreign, tensors }, graph, network);
}

/**
 * The parent's tensors and, where the network has sub-codebooks, these of the parent's filters. What has a number per class begins anew
 * where there are other classes, with a line that says so. Throws when something else does not fit.
 */
function initialTensors(
  network: NetworkDefinition,
  graph: Graph,
  parent: Weights,
  options: InitialOptions,
): Checkpoint['tensors'] {
  const { selection, ...others } = network.options;
  // Quantizers may have parameters of their own, which begin as in a new network where the parent was a float one.
  const float = { ...network, options: { ...others, bits: floatBits, bitsOf: {} } };
  const { variables } = buildGraph(float, { batch: 1, training: true, seed: 0 }).graph;
  const own = [...graph.variables.values()]
    .map(({ value }) => ({ name: value.name, shape: value.type.shape }))
    .filter(({ name }) => !isSelectionVariable(name) && (variables.has(name) || name in parent.tensors));
  const { classes } = options;
  const { classes: before = classes } = parent;
  const isNew = ({ name, shape }: (typeof own)[number]): boolean => {
    const saved = parent.tensors[name]?.shape;
    const isOfClasses = shape.at(-1) === classes && saved?.at(-1) === before && classes !== before;
    return isOfClasses && shape.slice(0, -1).join() === saved.slice(0, -1).join();
  };
  const renewed = own.filter(isNew).map(({ name }) => name);
  if (renewed.length > 0)
    options.note(`${renewed.join(', ')}: for ${classes} classes in place of ${before}, so they begin anew`);
  requireTensors(
    own.filter(({ name }) => !renewed.includes(name)),
    parent.tensors,
  );
  const kept = Object.fromEntries(Object.entries(parent.tensors).filter(([name]) => !renewed.includes(name)));
  return selection ? { ...kept, ...initialSelection(graph, selection, kept) } : kept;
}

interface InitialOptions {
  /** How many there are now. */
  readonly classes: number;
  readonly note: (line: string) => void;
}

/** Trains to the end, or to Ctrl-C, which saves; closes folder and backend. */
export async function runTraining(running: TrainingRun): Promise<void> {
  const { description, backend, openRun, output, options, step } = running;
  const interrupt = new AbortController();
  // The second Ctrl-C is not caught: it ends the process at once.
  const onInterrupt = (): void => {
    output.note('saving a checkpoint (Ctrl-C again to stop at once)');
    interrupt.abort();
  };
  process.once('SIGINT', onInterrupt);
  process.once('SIGTERM', onInterrupt);
  const closing = new Closing();
  closing.add(backend);
  const begin = (): Destination => {
    const { tensorboard } = options;
    const eventsIn = (folder: string) => closing.add(new TensorboardWriter(folder, step));
    // A folder elsewhere is tried before a run is replaced.
    const elsewhere = typeof tensorboard === 'string' ? [eventsIn(tensorboard)] : [];
    const run = closing.add(openRun());
    const inRun = tensorboard === true ? [eventsIn(tensorboardFolder(run.path))] : [];
    const metrics = [closing.add(new MetricsWriter(metricsFile(run.path), step)), ...elsewhere, ...inRun];
    output.note(
      `${run.path}: ${description.training.epochs} epochs on ${backend.name} (${backend.isa}, ${backend.threads} threads)`,
    );
    return { path: run.path, metrics };
  };
  try {
    const events = train({
      ...running,
      checkpointEvery: options.checkpointEvery,
      ...(options.diagnostics === undefined ? {} : { diagnosticsEvery: options.diagnostics }),
      ...(options.histograms === undefined ? {} : { histogramsEvery: options.histograms }),
      signal: interrupt.signal,
      onNotice: output.note,
    });
    const { path, summary } = await consume(events, begin, output);
    if (summary === undefined) {
      output.note(`stopped; go on with: subbit train --resume ${path}`);
      process.exitCode = interruptedExitCode;
      return;
    }
    reportDone(running, path, summary);
  } finally {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
    await closing.close();
  }
}

/** What takes the lines of metrics. */
type MetricsSink = Pick<MetricsWriter, 'append' | 'flush' | 'close'>;

/** Where a training under way is written. */
interface Destination {
  /** The run's folder. */
  readonly path: string;
  readonly metrics: readonly MetricsSink[];
}

/** Writes metrics and checkpoints and shows progress; the summary is undefined when the run was stopped. `begin` is called when it starts. */
async function consume(
  events: AsyncGenerator<TrainEvent, void, undefined>,
  begin: () => Destination,
  output: Output,
): Promise<{ readonly path: string; readonly summary: TrainingSummary | undefined }> {
  const progress = createProgress();
  let path = '';
  let metrics: readonly MetricsSink[] = [];
  const append = (line: MetricsLine): void => {
    for (const each of metrics) each.append(line);
  };
  let summary: TrainingSummary | undefined;
  let stepsPerEpoch = 0;
  let totalSteps = 0;
  let epochs = 0;
  let epochShown = 0;
  let lossAverage = 0;
  let accuracy = '';
  let started = 0;
  let firstStep = 0;
  try {
    for await (const event of events) {
      if (event.type === 'start') {
        ({ path, metrics } = begin());
        ({ stepsPerEpoch, totalSteps, epochs, step: firstStep } = event);
        started = performance.now();
      } else if (event.type === 'step') {
        append(event);
        const inEpoch = event.step - (event.epoch - 1) * stepsPerEpoch;
        if (event.epoch !== epochShown) {
          epochShown = event.epoch;
          lossAverage = event.loss;
          progress.start(`epoch ${event.epoch}/${epochs}`, stepsPerEpoch);
        }
        lossAverage += 0.05 * (event.loss - lossAverage);
        const perStep = (performance.now() - started) / (event.step - firstStep) / 1000;
        const left = formatDuration(perStep * (totalSteps - event.step));
        const speed = Math.round(event.imagesPerSecond);
        progress.update(inEpoch, `loss ${lossAverage.toFixed(3)}${accuracy}, ${speed} images/s, ${left} left`);
      } else if (event.type === 'diagnostics' || event.type === 'histograms' || event.type === 'renewal') {
        append(event);
      } else if (event.type === 'epoch') {
        append(event);
        progress.stop();
        accuracy = `, test accuracy ${event.testAccuracy.toFixed(4)}`;
        output.note(
          `epoch ${event.epoch}/${epochs}: loss ${event.trainLoss.toFixed(4)}, test loss ${event.testLoss.toFixed(4)}${accuracy}, ${formatDuration(event.seconds)}`,
        );
      } else if (event.type === 'checkpoint') {
        for (const each of metrics) each.flush();
        saveCheckpoint(path, event.checkpoint, { isBest: event.isBest });
      } else if (event.type === 'done') {
        summary = event.summary;
      }
    }
  } finally {
    progress.stop();
  }
  return { path, summary };
}

/** The checkpoint of the teacher of a training that has one. */
export function openTeacher({ distillation }: RunDescription['training'], { note }: Output): Checkpoint | undefined {
  if (distillation === undefined) return undefined;
  const { teacher: run, teacherStep } = distillation;
  if (!existsSync(run))
    throw new UsageError(`there is no run '${run}' for --teacher; give the folder of a trained run`);
  const teacher = openCheckpoint(run, 'last', note);
  if (teacherStep !== undefined && teacher.step !== teacherStep)
    throw new UsageError(
      `the teacher '${run}' is at step ${teacher.step}, and was at ${teacherStep} when this run began; restore it, or begin a new run with --init`,
    );
  return teacher;
}

/** Of the filters that are drawn from sub-codebooks, with these. */
function codewordFacts({
  network,
  description,
}: TrainingRun): { codewords: number; bitsPerWeight: number } | undefined {
  const { codewords } = description.network;
  if (codewords === undefined) return undefined;
  const { graph } = buildGraph(network, { batch: 1, training: true, seed: 0 });
  const layers = summarize(graph).layers.filter((layer) => layer.codewords !== undefined);
  const sum = (of: (layer: LayerSummary) => number): number => layers.reduce((total, layer) => total + of(layer), 0);
  return { codewords, bitsPerWeight: (8 * sum((layer) => layer.weightBytes)) / sum((layer) => layer.parameters) };
}

function reportDone(running: TrainingRun, path: string, summary: TrainingSummary): void {
  const { description, backend, output } = running;
  const { network, training } = description;
  const { isa, threads } = backend;
  const { selection, ...rest } = summary;
  const object = {
    run: path,
    preset: network.preset,
    bits: network.bits,
    epochs: training.epochs,
    ...rest,
    ...codewordFacts(running),
    ...selection,
    seed: training.seed,
    backend: backend.name,
    isa,
    threads,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
  };
  output.result(
    object,
    () =>
      `test accuracy ${summary.finalAccuracy.toFixed(4)} (best ${summary.bestAccuracy.toFixed(4)}) after ${training.epochs} epochs, ` +
      `${formatDuration(summary.seconds)}; the run is in ${path}`,
  );
}
