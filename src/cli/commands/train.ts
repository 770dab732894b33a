/** subbit train: trains a preset, or continues a run. */
import type { Command as Parser } from 'commander';
import { openBackend } from '../../backends/index.js';
import type { Backend } from '../../core/backend.js';
import { type Dataset, openData, prepareDataset } from '../../data/index.js';
import { presets } from '../../nn/models/index.js';
import { buildGraph, defineNetwork } from '../../nn/network.js';
import { optimizers } from '../../optim/optimizers.js';
import { schedules } from '../../optim/schedules.js';
import { findNewest, saveCheckpoint } from '../../train/checkpoint.js';
import type { RunDescription, TrainingConfig } from '../../train/config.js';
import { MetricsWriter, metricsFile } from '../../train/metrics.js';
import { RunFolder, readRunConfig } from '../../train/run-folder.js';
import { requireTensors, type TrainEvent, type TrainingSummary, train } from '../../train/trainer.js';
import { SubbitError, UsageError } from '../../util/errors.js';
import { lookUp } from '../../util/nearest.js';
import { addBackendOptions, type BackendOptions, type CliCommand, integer, number } from '../command.js';
import { addComputeOption, type ComputeOption, computeOf } from '../compute-option.js';
import { addNetworkOptions, type NetworkOptions, networkChoices } from '../network-options.js';
import { createOutput, createProgress, formatDuration, type Output } from '../output.js';
import { openCheckpoint } from '../runs.js';

interface TrainCommandOptions extends NetworkOptions, BackendOptions, ComputeOption {
  readonly data?: string;
  readonly epochs?: number;
  readonly batch?: number;
  readonly lr?: number;
  readonly optimizer?: string;
  readonly schedule?: string;
  readonly warmup?: number;
  readonly weightDecay?: number;
  readonly crop?: number;
  readonly flip?: boolean;
  readonly seed: number;
  readonly init?: string;
  readonly out?: string;
  readonly resume?: string | true;
  readonly force?: boolean;
  readonly checkpointEvery: number;
  readonly diagnostics?: number;
  readonly json?: boolean;
}

/** Exit code of a command that Ctrl-C ended, as shells have it. */
const interruptedExitCode = 130;

export const trainCommand: CliCommand = {
  register(program) {
    const parser = program
      .command('train')
      .description('train a preset on a data set, or go on with a run')
      .argument('[preset]', `network: ${Object.keys(presets).join(', ')}`)
      .option('--data <name|dir>', 'data set: a name (see `data list`) or a folder', undefined)
      .option('--epochs <n>', "epochs; the preset's by default", integer('--epochs', 1))
      .option('--batch <n>', "images per step; the preset's by default", integer('--batch', 1))
      .option('--lr <rate>', "learning rate; the preset's by default", number('--lr', 0))
      .option('--optimizer <name>', `${Object.keys(optimizers).join(' or ')}; the preset's by default`)
      .option('--schedule <name>', `${Object.keys(schedules).join(', ')}; the preset's by default`)
      .option('--warmup <steps>', 'steps of linear warm-up', integer('--warmup', 0))
      .option('--weight-decay <l2>', 'L2 coefficient of the filters', number('--weight-decay', 0))
      .option('--crop <pixels>', "random crop with this padding; the data set's by default", integer('--crop', 0))
      .option('--flip', "random horizontal flip; the data set's by default")
      .option('--no-flip', 'no random flip')
      .option('--seed <n>', 'of everything random', integer('--seed', 0, 2 ** 31 - 1), 1)
      .option('--init <run>', 'start from the weights of a trained run')
      .option('--out <dir>', 'folder of the run; runs/PRESET-BITS-N by default')
      .option('--resume [run]', 'go on with a run (the folder, or the one of --out) exactly as it would have gone on')
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
      .option('--json', 'print one JSON object when done');
    addComputeOption(addBackendOptions(addNetworkOptions(parser))).action(trainOrResume);
  },
};

/** Options that do not change what a run computes, and so may differ when it goes on. */
const resumeOptions: ReadonlySet<string> = new Set([
  'resume',
  'out',
  'backend',
  'threads',
  'checkpointEvery',
  'diagnostics',
  'json',
]);

async function trainOrResume(preset: string | undefined, options: TrainCommandOptions, parser: Parser): Promise<void> {
  const output = createOutput(options.json ?? false);
  const { resume } = options;
  if (resume !== undefined) {
    const path = resume === true ? options.out : resume;
    if (path === undefined) throw new UsageError('--resume needs the folder of the run: --resume RUN');
    const given = Object.keys(options).filter((name) => parser.getOptionValueSource(name) === 'cli');
    const refused = given.find((name) => !resumeOptions.has(name));
    if (preset !== undefined || refused !== undefined) {
      const what = preset ?? `--${refused!.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      throw new UsageError(
        `a resumed run keeps its own settings; leave out ${what}, or start a new run with --init ${path}`,
      );
    }
    return resumeRun(path, options, output);
  }
  if (preset === undefined) throw new UsageError(`train needs a preset: ${Object.keys(presets).join(', ')}`);
  return startRun(preset, options, output);
}

async function startRun(presetName: string, options: TrainCommandOptions, output: Output): Promise<void> {
  const preset = lookUp(presets, presetName, 'preset');
  const source = options.data ?? (preset.name === 'digits' ? 'digits' : undefined);
  if (source === undefined)
    throw new UsageError(`${preset.name} needs --data NAME or --data FOLDER (see: subbit data list)`);
  const choices = networkChoices(options);
  const data = await loadData(source, preset.input, output);
  const { classes, zeroPoints, step } = data;
  const networkDescription = { preset: preset.name, ...choices, classes, zeroPoints, step };
  const training = trainingConfig(preset.training, source, data, options);
  // Built once before a folder is made, so that a mistake in the options leaves nothing behind.
  const network = defineNetwork(networkDescription);
  const { graph } = buildGraph(network, { batch: 1, training: false, seed: options.seed });
  const initial = options.init === undefined ? undefined : openCheckpoint(options.init, 'last', output.note).tensors;
  if (initial)
    requireTensors(
      [...graph.variables.values()].map(({ value }) => ({ name: value.name, shape: value.type.shape })),
      initial,
    );
  const backend = await openBackend({ ...options, onNotice: output.note });
  const compute = computeOf(options, backend);
  const description: RunDescription = { network: networkDescription, training: { ...training, compute } };
  const run = RunFolder.create({
    ...(options.out === undefined ? {} : { out: options.out }),
    name: `${preset.name}-${options.bits}`,
    force: options.force ?? false,
    config: description,
  });
  await runTraining({
    description,
    data,
    backend,
    run,
    output,
    options,
    step: 0,
    network,
    ...(initial ? { initial } : {}),
  });
}

async function resumeRun(path: string, options: TrainCommandOptions, output: Output): Promise<void> {
  const saved = readRunConfig(path) as RunDescription;
  const description = { ...saved, training: { compute: 'simulated' as const, ...saved.training } };
  const network = defineNetwork(description.network);
  const { found, skipped } = findNewest(path);
  for (const { why } of skipped) output.note(`skipped a damaged checkpoint: ${why}`);
  if (found === undefined)
    throw new SubbitError(`'${path}' has no checkpoint that can be read; start again with --force`);
  const { checkpoint } = found;
  const data = await loadData(description.training.data, network.input, output);
  const backend = await openBackend({ ...options, onNotice: output.note });
  const run = RunFolder.resume(path);
  output.note(`going on with ${path} at step ${checkpoint.step}`);
  await runTraining({ description, data, backend, run, output, options, step: checkpoint.step, network, checkpoint });
}

/** Reading and resizing a large set takes seconds, so it is announced. */
async function loadData(source: string, input: Parameters<typeof prepareDataset>[1], output: Output): Promise<Dataset> {
  output.note(`loading ${source}`);
  return prepareDataset(await openData(source), input);
}

type TrainDefaults = (typeof presets)[string]['training'];

function trainingConfig(
  defaults: TrainDefaults,
  source: string,
  data: Dataset,
  options: TrainCommandOptions,
): TrainingConfig {
  const { optimizer, schedule } = options;
  if (optimizer !== undefined) lookUp(optimizers, optimizer, 'optimizer');
  if (schedule !== undefined) lookUp(schedules, schedule, 'schedule');
  return {
    data: source,
    epochs: options.epochs ?? defaults.epochs,
    batch: options.batch ?? defaults.batch,
    optimizer: optimizer === undefined ? defaults.optimizer : { name: optimizer as keyof typeof optimizers },
    schedule: {
      ...defaults.schedule,
      ...(schedule === undefined ? {} : { name: schedule as keyof typeof schedules }),
      ...(options.lr === undefined ? {} : { learningRate: options.lr }),
      ...(options.warmup === undefined ? {} : { warmupSteps: options.warmup }),
    },
    weightDecay: options.weightDecay ?? defaults.weightDecay,
    ...(defaults.decayed === undefined ? {} : { decayed: defaults.decayed }),
    augmentation: {
      cropPadding: options.crop ?? data.augmentation.cropPadding,
      flip: options.flip ?? data.augmentation.flip,
    },
    seed: options.seed,
  };
}

interface Running {
  readonly description: RunDescription;
  readonly data: Dataset;
  readonly backend: Backend;
  readonly run: RunFolder;
  readonly output: Output;
  readonly options: TrainCommandOptions;
  readonly step: number;
  readonly network: ReturnType<typeof defineNetwork>;
  readonly checkpoint?: Parameters<typeof saveCheckpoint>[1];
  readonly initial?: Parameters<typeof saveCheckpoint>[1]['tensors'];
}

async function runTraining(running: Running): Promise<void> {
  const { description, backend, run, output, options } = running;
  const interrupt = new AbortController();
  // The second Ctrl-C is not caught: it ends the process at once.
  const onInterrupt = (): void => {
    output.note('saving a checkpoint (Ctrl-C again to stop at once)');
    interrupt.abort();
  };
  process.once('SIGINT', onInterrupt);
  process.once('SIGTERM', onInterrupt);
  const metrics = new MetricsWriter(metricsFile(run.path), running.step);
  try {
    output.note(
      `${run.path}: ${description.training.epochs} epochs on ${backend.name} (${backend.isa}, ${backend.threads} threads)`,
    );
    const events = train({
      ...running,
      checkpointEvery: options.checkpointEvery,
      ...(options.diagnostics === undefined ? {} : { diagnosticsEvery: options.diagnostics }),
      signal: interrupt.signal,
      onNotice: output.note,
    });
    const summary = await consume(events, run.path, metrics, output);
    if (summary === undefined) {
      output.note(`stopped; go on with: subbit train --resume ${run.path}`);
      process.exitCode = interruptedExitCode;
      return;
    }
    reportDone(running, summary);
  } finally {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
    metrics.close();
    run.close();
    backend.dispose();
  }
}

/** Writes metrics and checkpoints and shows progress; returns the summary, or undefined when the run was stopped. */
async function consume(
  events: AsyncGenerator<TrainEvent, void, undefined>,
  path: string,
  metrics: MetricsWriter,
  output: Output,
): Promise<TrainingSummary | undefined> {
  const progress = createProgress();
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
        ({ stepsPerEpoch, totalSteps, epochs, step: firstStep } = event);
        started = performance.now();
      } else if (event.type === 'step') {
        metrics.append(event);
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
      } else if (event.type === 'diagnostics') {
        metrics.append(event);
      } else if (event.type === 'epoch') {
        metrics.append(event);
        progress.stop();
        accuracy = `, test accuracy ${event.testAccuracy.toFixed(4)}`;
        output.note(
          `epoch ${event.epoch}/${epochs}: loss ${event.trainLoss.toFixed(4)}, test loss ${event.testLoss.toFixed(4)}${accuracy}, ${formatDuration(event.seconds)}`,
        );
      } else if (event.type === 'checkpoint') {
        metrics.flush();
        saveCheckpoint(path, event.checkpoint, { isBest: event.isBest });
      } else if (event.type === 'done') {
        summary = event.summary;
      }
    }
  } finally {
    progress.stop();
  }
  return summary;
}

function reportDone({ description, backend, run, output }: Running, summary: TrainingSummary): void {
  const { network, training } = description;
  const { isa, threads } = backend;
  const object = {
    run: run.path,
    preset: network.preset,
    bits: network.bits,
    epochs: training.epochs,
    ...summary,
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
      `${formatDuration(summary.seconds)}; the run is in ${run.path}`,
  );
}
