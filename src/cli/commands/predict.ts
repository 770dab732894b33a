/** subbit predict RUN|MODEL IMAGE...: the classes of pictures. */
import { openBackend } from '../../backends/index.js';
import { openPictureReader, type Picture } from '../../data/picture-reader.js';
import { openNetwork } from '../../nn/network.js';
import type { Classification } from '../../runtime/classification.js';
import { openModel } from '../../runtime/open-model.js';
import { Model } from '../../train/model.js';
import { FormatError } from '../../util/errors.js';
import { addBackendOptions, type BackendOptions, type CliCommand, integer } from '../command.js';
import { isModelFile, readModel } from '../models.js';
import { createOutput, createProgress, type Output } from '../output.js';
import { pictureFiles } from '../picture-files.js';
import { descriptionOf, openCheckpoint } from '../runs.js';

interface PredictOptions extends BackendOptions {
  readonly checkpoint: string;
  readonly top: number;
  readonly json?: boolean;
}

export const predictCommand: CliCommand = {
  register(program) {
    const parser = program
      .command('predict')
      .description('the classes of pictures (needs the optional package sharp)')
      .argument('<run|model>', 'folder of a run, or a .subbit file')
      .argument(
        '<image...>',
        'pictures of any size (PNG, JPEG, WebP, ...) or folders of them; transparency is seen on white',
      )
      .option('--top <n>', 'how many classes to show', integer('--top', 1), 5)
      .option('--checkpoint <which>', 'of a run: last, best or a file', 'last')
      .option('--json', 'print one JSON object');
    addBackendOptions(parser).action(predict);
  },
};

/** A run or a model, ready to tell classes. */
interface Classifier {
  readonly prepare: (picture: Picture) => Uint8Array;
  /** Of whole batches: images one after another, as `prepare` gives them. */
  readonly classify: (images: Uint8Array) => Promise<Classification[]>;
  dispose(): void;
}

/** Pictures that are decoded before the network looks at them. */
const batch = 16;

/** Damaged pictures are reported one by one while the others are told; at the end they make the command fail. */
async function predict(path: string, images: readonly string[], options: PredictOptions): Promise<void> {
  const output = createOutput(options.json ?? false);
  const files = pictureFiles(images);
  const open = isModelFile(path) ? openDeployed : openRun;
  const classifier = await open(path, options, output);
  const predictions: (Classification & { readonly file: string })[] = [];
  const failed: { readonly file: string; readonly why: string }[] = [];
  const progress = createProgress();
  try {
    const read = await openPictureReader();
    progress.start('predicting', files.length);
    for (let first = 0; first < files.length; first += batch) {
      const prepared: { readonly file: string; readonly bytes: Uint8Array }[] = [];
      for (const file of files.slice(first, first + batch)) {
        try {
          prepared.push({ file, bytes: classifier.prepare(await read(file)) });
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
          failed.push({ file, why: error.message });
        }
      }
      const found = await classifier.classify(joined(prepared.map(({ bytes }) => bytes)));
      for (const [i, { file }] of prepared.entries()) predictions.push({ file, ...found[i]! });
      progress.update(Math.min(first + batch, files.length), 'pictures');
    }
  } finally {
    progress.stop();
    classifier.dispose();
  }
  for (const { why } of failed) output.note(`subbit: ${why}`);
  if (failed.length > 0) process.exitCode = 1;
  output.result({ predictions, ...(failed.length > 0 && { failed }) }, () =>
    predictions.map(formatPrediction).join('\n'),
  );
}

function formatPrediction({ file, top }: Classification & { readonly file: string }): string {
  return `${file}: ${top.map((each) => `${each.class} ${(100 * each.probability).toFixed(1)} %`).join(', ')}`;
}

async function openRun(path: string, { checkpoint, top, ...options }: PredictOptions, output: Output) {
  const saved = openCheckpoint(path, checkpoint, output.note);
  const backend = await openBackend({ ...options, onNotice: output.note });
  const network = await openNetwork(descriptionOf(saved).network);
  const model = new Model(backend, saved, { network, batch });
  return {
    prepare: (picture: Picture) => model.prepare(picture.data, picture),
    classify: (images: Uint8Array) => model.predict(images, { top }),
    dispose() {
      model.dispose();
      backend.dispose();
    },
  } satisfies Classifier;
}

async function openDeployed(path: string, { top, ...options }: PredictOptions, output: Output) {
  const model = await openModel(readModel(path), { ...options, onNotice: output.note });
  return {
    prepare: (picture: Picture) => model.prepare(picture.data, picture),
    classify: (images: Uint8Array) => model.classify(images, { top }),
    dispose: () => model.dispose(),
  } satisfies Classifier;
}

function joined(images: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(images.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const image of images) {
    all.set(image, at);
    at += image.length;
  }
  return all;
}
