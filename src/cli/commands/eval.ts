/** subbit eval RUN: accuracy and loss of a trained network. */
import { openBackend } from '../../backends/index.js';
import { openData, prepareDataset } from '../../data/index.js';
import { Model } from '../../train/model.js';
import { UsageError } from '../../util/errors.js';
import { lookUp } from '../../util/nearest.js';
import { addBackendOptions, type BackendOptions, type CliCommand, integer } from '../command.js';
import { createOutput, createProgress } from '../output.js';
import { descriptionOf, openCheckpoint } from '../runs.js';

interface EvalOptions extends BackendOptions {
  readonly data?: string;
  readonly split: string;
  readonly checkpoint: string;
  readonly batch: number;
  readonly json?: boolean;
}

export const evalCommand: CliCommand = {
  register(program) {
    const parser = program
      .command('eval')
      .description('accuracy and loss of a trained network on a data set')
      .argument('<run>', 'folder of a run')
      .option('--data <name|dir>', "data set; the run's own by default")
      .option('--split <split>', 'test or train', 'test')
      .option('--checkpoint <which>', 'last, best or a file', 'last')
      .option('--batch <n>', 'images at a time', integer('--batch', 1), 128)
      .option('--json', 'print one JSON object');
    addBackendOptions(parser).action(evaluate);
  },
};

async function evaluate(run: string, options: EvalOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const checkpoint = openCheckpoint(run, options.checkpoint, output.note);
  const backend = await openBackend({ ...options, onNotice: output.note });
  const model = new Model(backend, checkpoint, { batch: options.batch });
  const data = prepareDataset(await openData(options.data ?? descriptionOf(checkpoint).training.data), model.input);
  requireSameClasses(data.classes, model.description.classes);
  const set = lookUp({ test: data.test, train: data.train }, options.split, 'split');
  const progress = createProgress();
  progress.start('evaluating', set.count);
  const started = performance.now();
  const result = await model.evaluate(set, (done) => progress.update(done, 'images'));
  const seconds = (performance.now() - started) / 1000;
  progress.stop();
  const { isa, threads } = backend;
  model.dispose();
  backend.dispose();
  output.result(
    { ...result, seconds, imagesPerSecond: result.images / seconds, backend: backend.name, isa, threads },
    () =>
      `${options.split} accuracy ${result.accuracy.toFixed(4)} (${result.correct} of ${result.images}), loss ${result.loss.toFixed(4)}, ` +
      `${Math.round(result.images / seconds)} images/s on ${backend.name} (${isa}, ${threads} threads)`,
  );
}

function requireSameClasses(data: readonly string[], network: readonly string[]): void {
  if (data.length !== network.length) {
    throw new UsageError(
      `the data has ${data.length} classes and the network ${network.length}; give the data set it was trained on`,
    );
  }
}
