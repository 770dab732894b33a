/** subbit compact RUN: goes on from a trained binary network with few sign patterns per layer (Sparks, papers part 2). */

import type { Command as Parser } from 'commander';
import { openNetwork } from '../../nn/network.js';
import { UsageError } from '../../util/errors.js';
import { addBackendOptions, type BackendOptions, type CliCommand } from '../command.js';
import { addComputeOption, type ComputeOption } from '../compute-option.js';
import { addConfigOption } from '../config-file.js';
import { loadData } from '../load-data.js';
import { createOutput } from '../output.js';
import { descriptionOf, openCheckpoint, weightsOf } from '../runs.js';
import { addSelectionOptions, renewalChoices, type SelectionOptions, selectionChoices } from '../selection-options.js';
import { addTrainingOptions, type TrainingOptions, trainingConfig } from '../training-options.js';
import { startTraining } from '../training-run.js';

interface CompactOptions extends SelectionOptions, TrainingOptions, BackendOptions, ComputeOption {}

/** Shares of the run's epochs and of its learning rate that compacting takes by default. */
const epochsShare = 1 / 4;
const learningRateShare = 1 / 4;

export const compactCommand: CliCommand = {
  register(program) {
    const parser = program
      .command('compact')
      .description('train a 1-bit run further with few sign patterns per layer: below one bit per weight')
      .argument('[run]', 'folder of the run to start from');
    addTrainingOptions(parser, { defaults: "a share of the run's, or the run's own," });
    addConfigOption(addComputeOption(addBackendOptions(addSelectionOptions(parser)))).action(compact);
  },
};

async function compact(path: string | undefined, options: CompactOptions, parser: Parser): Promise<void> {
  const output = createOutput(options.json ?? false);
  if (path === undefined) throw new UsageError('compact needs the folder of a run: compact RUN --codewords N');
  if (options.codewords === undefined) throw new UsageError('compact needs --codewords N, like 32');
  const parent = openCheckpoint(path, 'last', output.note);
  const { network, training } = descriptionOf(parent);
  // Whatever made signs of the parent's filters, codewords are chosen by their own quantizer.
  const { weightQuantizer: _, ...rest } = network;
  const description = { ...rest, ...selectionChoices(options) };
  const source = options.data ?? training.data;
  const data = await loadData(source, (await openNetwork(description)).input, output, options);
  const renewals = renewalChoices(options);
  const defaults = {
    ...training,
    epochs: Math.max(1, Math.round(training.epochs * epochsShare)),
    schedule: {
      ...training.schedule,
      learningRate: training.schedule.learningRate * learningRateShare,
      warmupSteps: 0,
    },
    renewals,
  };
  await startTraining({
    description: { network: description, training: trainingConfig(defaults, source, data, options) },
    ...{ data, options, parser, output, parent: weightsOf(parent) },
  });
}
