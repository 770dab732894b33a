/**
 * MNIST and the data sets that share its files: two IDX files of 28x28 images and two of labels, plain or compressed.
 * The files of MNIST and Fashion-MNIST look alike, so the directory's name decides: 'fashion' in it means Fashion-MNIST.
 */
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { FormatError } from '../util/errors.js';
import type { Augmentation, Dataset, DatasetKind, ImageSet } from './dataset.js';
import { newImageSet } from './dataset.js';
import { readIdx } from './idx.js';
import { existingFile, findInPlaces } from './places.js';

const side = 28;
const numClasses = 10;
const plainOrCompressed = (name: string): string[] => [name, `${name}.gz`];

async function loadSplit(directory: string, prefix: 'train' | 't10k'): Promise<ImageSet> {
  const imageFile = existingFile(directory, plainOrCompressed(`${prefix}-images-idx3-ubyte`));
  const labelFile = existingFile(directory, plainOrCompressed(`${prefix}-labels-idx1-ubyte`));
  const labels = await readIdx(labelFile, []);
  const images = await readIdx(imageFile, [side, side]);
  if (labels.count !== images.count) {
    throw new FormatError(
      `'${labelFile}' holds ${labels.count} labels for the ${images.count} images of '${imageFile}'`,
    );
  }
  const wrong = labels.items.findIndex((label) => label >= numClasses);
  if (wrong >= 0) {
    throw new FormatError(`'${labelFile}' is damaged: label ${wrong} is ${labels.items[wrong]}, not in 0..9`);
  }
  const set = newImageSet(images.count, { height: side, width: side, channels: 1 });
  set.images.set(images.items);
  set.labels.set(labels.items);
  return set;
}

/** A member of the family: `isFashion` says which directories are its own. */
export function mnistKind(options: {
  name: string;
  description: string;
  classes: readonly string[];
  source: string;
  isFashion: boolean;
  augmentation: Augmentation;
}): DatasetKind {
  const { name, classes, source, augmentation } = options;
  const locate = (path: string): string | undefined => {
    const isMine = /fashion/i.test(basename(resolve(path))) === options.isFashion;
    const names = plainOrCompressed('train-images-idx3-ubyte');
    return isMine && names.some((file) => existsSync(join(path, file))) ? path : undefined;
  };
  return {
    name,
    description: options.description,
    classes,
    shape: [side, side, 1],
    splits: { train: 60_000, test: 10_000 },
    source,
    files:
      'train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (each also as .gz)',
    locate,
    find: () => findInPlaces([name], locate),
    load: async (path): Promise<Dataset> => ({
      name,
      classes,
      train: await loadSplit(path, 'train'),
      test: await loadSplit(path, 't10k'),
      zeroPoints: [0],
      step: 1 / 255,
      source,
      augmentation,
    }),
  };
}

export const mnist = mnistKind({
  name: 'mnist',
  description: 'handwritten digits, grey',
  classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  source: 'LeCun, Cortes, Burges: The MNIST database, http://yann.lecun.com/exdb/mnist',
  isFashion: false,
  augmentation: { cropPadding: 0, flip: false },
});
