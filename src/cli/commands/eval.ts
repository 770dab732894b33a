/** subbit eval RUN|MODEL: accuracy and loss of a trained or a deployed network. */
import { openBackend } from '../../backends/index.js';
import type { ImageSet, ImageShape } from '../../data/index.js';
import { openNetwork } from '../../nn/network.js';
import { openModel } from '../../runtime/open-model.js';
import type { EvaluationResult } from '../../train/evaluate.js';
import { Model } from '../../train/model.js';
import { UsageError } from '../../util/errors.js';
import { lookUp } from '../../util/nearest.js';
import { addBackendOptions, type BackendOptions, type CliCommand, integer } from '../command.js';
import { evaluateModel } from '../evaluate-model.js';
import { addDataOptions, type DataOptions, loadData } from '../load-data.js';
import { isModelFile, readModel } from '../models.js';
import { createOutput, createProgress, type Output } from '../output.js';
import { descriptionOf, openCheckpoint, requireSameClasses } from '../runs.js';

interface EvalOptions extends DataOptions, BackendOptions {
  readonly split: string;
  readonly checkpoint: string;
  readonly batch: number;
  readonly json?: boolean;
}

/** A run or a model, ready to be evaluated. */
interface Subject {
  readonly input: ImageShape;
  readonly classes: readonly string[];
  /** Where it was trained, if that is known. */
  readonly data: string | undefined;
  readonly backend: { readonly name: string; readonly isa: string; readonly threads: number };
  evaluate(set: ImageSet, onImages: (done: number) => void): EvaluationResult | Promise<EvaluationResult>;
  dispose(): void;
}

export const evalCommand: CliCommand = {
  register(program) {
    const parser = program
      .command('eval')
      .description('accuracy and loss of a trained or deployed network on a data set')
      .argument('<run|model>', 'folder of a run, or a .subbit file')
      .option('--split <split>', 'test or train', 'test')
      .option('--checkpoint <which>', 'of a run: last, best or a file', 'last')
      .option('--batch <n>', 'images at a time', integer('--batch', 1), 128)
      .option('--json', 'print one JSON object');
    addDataOptions(parser, 'data set; the one that it was trained on by default');
    addBackendOptions(parser).action(evaluate);
  },
};

async function evaluate(path: string, options: EvalOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const subject = isModelFile(path) ? await openDeployed(path, options, output) : await openRun(path, options, output);
  const name = options.data ?? subject.data;
  if (name === undefined) throw new UsageError(`'${path}' does not say what it was trained on; give --data NAME|PATH`);
  const data = await loadData(name, subject.input, output, options);
  requireSameClasses(data.classes, subject.classes);
  const set = lookUp({ test: data.test, train: data.train }, options.split, 'split');
  const progress = createProgress();
  progress.start('evaluating', set.count);
  const started = performance.now();
  const result = await subject.evaluate(set, (done) => progress.update(done, 'images'));
  const seconds = (performance.now() - started) / 1000;
  progress.stop();
  const { name: backend, isa, threads } = subject.backend;
  subject.dispose();
  output.result(
    { ...result, seconds, imagesPerSecond: result.images / seconds, backend, isa, threads },
    () =>
      `${options.split} accuracy ${result.accuracy.toFixed(4)} (${result.correct} of ${result.images}), loss ${result.loss.toFixed(4)}, ` +
      `${Math.round(result.images / seconds)} images/s on ${backend} (${isa}, ${threads} threads)`,
  );
}

async function openRun(path: string, options: EvalOptions, output: Output): Promise<Subject> {
  const checkpoint = openCheckpoint(path, options.checkpoint, output.note);
  const backend = await openBackend({ ...options, onNotice: output.note });
  const network = await openNetwork(descriptionOf(checkpoint).network);
  const model = new Model(backend, checkpoint, { network, batch: options.batch });
  return {
    input: model.input,
    classes: model.description.classes,
    data: descriptionOf(checkpoint).training.data,
    backend,
    evaluate: (set, onImages) => model.evaluate(set, onImages),
    dispose() {
      model.dispose();
      backend.dispose();
    },
  };
}

async function openDeployed(path: string, options: EvalOptions, output: Output): Promise<Subject> {
  const model = await openModel(readModel(path), { ...options, onNotice: output.note });
  return {
    input: model.input,
    classes: model.classes,
    data: model.origin.data,
    backend: model.backend,
    evaluate: (set, onImages) => evaluateModel(model, set, onImages),
    dispose: () => model.dispose(),
  };
}
