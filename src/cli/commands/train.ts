/** subbit train: trains a preset, or continues a run. */
import type { Command as Parser } from 'commander';
import { openBackend } from '../../backends/index.js';
import type { Dataset } from '../../data/index.js';
import { presets } from '../../nn/models/index.js';
import { openNetwork } from '../../nn/network.js';
import { findNewest } from '../../train/checkpoint.js';
import { currentDescription } from '../../train/config.js';
import { configFile, RunFolder, readRunConfig } from '../../train/run-folder.js';
import { SubbitError, UsageError } from '../../util/errors.js';
import { addBackendOptions, type BackendOptions, type CliCommand, flagOf } from '../command.js';
import { addComputeOption, type ComputeOption } from '../compute-option.js';
import { addConfigOption } from '../config-file.js';
import { addFromOption, type FromOption, type OpenedModel, openFrom, weightsFrom } from '../from-option.js';
import { loadData } from '../load-data.js';
import { addModelOption, type Chosen, choosePreset, type ModelOption } from '../model-option.js';
import { addNetworkOptions, type NetworkOptions, networkChoices } from '../network-options.js';
import { createOutput, type Output } from '../output.js';
import { openWeights, type Weights } from '../runs.js';
import { addSelectionOptions, renewalChoices, type SelectionOptions, selectionChoices } from '../selection-options.js';
import { addTrainingOptions, type TrainingOptions, trainingConfig } from '../training-options.js';
import { openTeacher, runTraining, startTraining } from '../training-run.js';

interface TrainCommandOptions
  extends ModelOption,
    FromOption,
    NetworkOptions,
    SelectionOptions,
    TrainingOptions,
    BackendOptions,
    ComputeOption {
  readonly init?: string;
  readonly resume?: string | true;
}

export const trainCommand: CliCommand = {
  register(program) {
    const parser = program
      .command('train')
      .description('train a preset on a data set, or go on with a run')
      .argument('[preset]', `network: ${Object.keys(presets).join(', ')}`)
      .option(
        '--init <run|file>',
        'start from the weights of a trained run or of a file (.safetensors, also by the names of PyTorch; .npz of tensorpack); a last layer for other classes begins anew',
      )
      .option('--resume [run]', 'go on with a run (the folder, or the one of --out) exactly as it would have gone on');
    addFromOption(addModelOption(parser));
    addTrainingOptions(parser, { defaults: "the preset's" });
    addConfigOption(addComputeOption(addBackendOptions(addSelectionOptions(addNetworkOptions(parser))))).action(
      trainOrResume,
    );
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
  'histograms',
  'tensorboard',
  'json',
  'strict',
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
      const what = refused === undefined ? preset : flagOf(refused);
      throw new UsageError(
        `a resumed run keeps its own settings; leave out ${what}, or start a new run with --init ${path}`,
      );
    }
    return resumeRun(path, options, output);
  }
  const { from, model, init } = options;
  const chosen =
    from === undefined ? await choosePreset(preset, options) : openFrom(from, [preset, model, init], options);
  if (chosen === undefined)
    throw new UsageError(`train needs a preset (${Object.keys(presets).join(', ')}), --model FILE or --from FILE`);
  return startRun(chosen, options, parser, output);
}

async function startRun(
  chosen: Chosen | OpenedModel,
  options: TrainCommandOptions,
  parser: Parser,
  output: Output,
): Promise<void> {
  const { preset, choice } = chosen;
  const source = options.data ?? preset.data;
  if (source === undefined)
    throw new UsageError(`${preset.name} needs --data NAME or --data PATH (see: subbit data list)`);
  const choices = { ...networkChoices(options), ...selectionChoices(options) };
  const data = await loadData(source, preset.input, output, options);
  const { classes } = data;
  // What a byte means is the network's, where it brings weights along.
  const { zeroPoints, step } = 'network' in chosen ? chosen.network : data;
  const parent = await parentOf(chosen, data, options, output);
  const renewals = renewalChoices(options);
  const defaults = { ...preset.training, ...(renewals && { renewals }) };
  await startTraining({
    description: {
      network: { ...choice, ...choices, classes, zeroPoints, step },
      training: trainingConfig(defaults, source, data, options),
    },
    data,
    options,
    parser,
    output,
    ...(parent && { parent }),
  });
}

/** What the training starts from, if anything. */
async function parentOf(
  chosen: Chosen | OpenedModel,
  data: Dataset,
  options: TrainCommandOptions,
  { note }: Output,
): Promise<Weights | undefined> {
  if ('network' in chosen) return weightsFrom(chosen, data, { ...options, note });
  return options.init === undefined ? undefined : openWeights(options.init, note);
}

async function resumeRun(path: string, options: TrainCommandOptions, output: Output): Promise<void> {
  // First, so that nobody else writes to what is read.
  const run = RunFolder.resume(path);
  try {
    const saved = currentDescription(readRunConfig(path), `'${configFile(path)}'`);
    const { compute = 'simulated' } = saved.training;
    // In its place among the keys: what a resumed run writes is the same, byte for byte.
    const description = { ...saved, training: { ...saved.training, compute } };
    const network = await openNetwork(description.network);
    const { found, skipped } = findNewest(path);
    for (const { why } of skipped) output.note(`skipped a damaged checkpoint: ${why}`);
    if (found === undefined)
      throw new SubbitError(`'${path}' has no checkpoint that can be read; start again with --force`);
    const { checkpoint } = found;
    const data = await loadData(description.training.data, network.input, output, options);
    requireUnchanged(data.classes, description.network.classes);
    const teacher = openTeacher(description.training, output);
    const backend = await openBackend({ ...options, onNotice: output.note });
    output.note(`going on with ${path} at step ${checkpoint.step}`);
    const openRun = (): RunFolder => run;
    const { step } = checkpoint;
    await runTraining({
      ...{ description, data, backend, openRun, output, options, step, network, checkpoint },
      ...(teacher && { teacher }),
    });
  } finally {
    run.close();
  }
}

/** Throws where the data's classes are not those that the run began with. */
function requireUnchanged(classes: readonly string[], begun: readonly string[]): void {
  const at = Array.from({ length: Math.max(classes.length, begun.length) }, (_, i) => i).find(
    (i) => classes[i] !== begun[i],
  );
  if (at === undefined) return;
  const [now, then] = [classes, begun].map((names) => (at < names.length ? `'${names[at]}'` : 'none'));
  throw new UsageError(
    `the data has changed: class ${at} is ${now}, and was ${then} when the run began; restore it, or begin a new run with --init`,
  );
}
