/**
 * MNIST and the data sets that share its files: two IDX files of 28x28 images and two of labels, plain or compressed.
 * The files of MNIST and Fashion-MNIST look alike, so the directory's name decides: 'fashion' in it means Fashion-MNIST.
 */
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { FormatError } from '../util/errors.js';
import { DamagedRecords } from './damaged-records.js';
import type { Augmentation, Dataset, DatasetKind, ImageSet, LoadOptions } from './dataset.js';
import { newImageSet } from './dataset.js';
import type { Download } from './download.js';
import { readIdx } from './idx.js';
import { existingFile } from './places.js';

const side = 28;
const numClasses = 10;
const plainOrCompressed = (name: string): string[] => [name, `${name}.gz`];

async function loadSplit(directory: string, prefix: 'train' | 't10k', options: LoadOptions): Promise<ImageSet> {
  const imageFile = existingFile(directory, plainOrCompressed(`${prefix}-images-idx3-ubyte`));
  const labelFile = existingFile(directory, plainOrCompressed(`${prefix}-labels-idx1-ubyte`));
  const labels = await readIdx(labelFile, []);
  const images = await readIdx(imageFile, [side, side]);
  if (labels.count !== images.count) {
    throw new FormatError(
      `'${labelFile}' holds ${labels.count} labels for the ${images.count} images of '${imageFile}'`,
    );
  }
  const damaged = new DamagedRecords(labelFile, labels.count, options);
  for (const [i, label] of labels.items.entries())
    if (label >= numClasses) damaged.add(i, `label ${i} is ${label}, not in 0..9`);
  const set = newImageSet(images.count, { height: side, width: side, channels: 1 });
  set.images.set(images.items);
  set.labels.set(labels.items);
  return damaged.leaveOut(set);
}

/** A member of the family: `isFashion` says which directories are its own; `address` holds the files, with these checksums. */
export function mnistKind(options: {
  name: string;
  description: string;
  classes: readonly string[];
  source: string;
  address: string;
  files: Readonly<Record<string, { md5: string; bytes: number }>>;
  isFashion: boolean;
  augmentation: Augmentation;
}): DatasetKind {
  const { name, classes, source, address, augmentation } = options;
  const downloads = Object.entries(options.files).map(
    ([file, facts]): Download => ({ url: `${address}/${file}`, ...facts }),
  );
  return {
    name,
    description: options.description,
    files:
      'train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (each also as .gz)',
    published: {
      numClasses: classes.length,
      shape: [side, side, 1],
      splits: { train: 60_000, test: 10_000 },
      source,
      folders: [name],
      downloads,
    },
    locate(path) {
      const isMine = /fashion/i.test(basename(resolve(path))) === options.isFashion;
      const names = plainOrCompressed('train-images-idx3-ubyte');
      return isMine && names.some((file) => existsSync(join(path, file))) ? path : undefined;
    },
    load: async (path, loadOptions = {}): Promise<Dataset> => ({
      name,
      classes,
      train: await loadSplit(path, 'train', loadOptions),
      test: await loadSplit(path, 't10k', loadOptions),
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
  // The authors' own address asks for a password; this is the copy that PyTorch uses.
  address: 'https://ossci-datasets.s3.amazonaws.com/mnist',
  files: {
    'train-images-idx3-ubyte.gz': { md5: 'f68b3c2dcbeaaa9fbdd348bbdeb94873', bytes: 9_912_422 },
    'train-labels-idx1-ubyte.gz': { md5: 'd53e105ee54ea40749a09fcbcd1e9432', bytes: 28_881 },
    't10k-images-idx3-ubyte.gz': { md5: '9fb629c4189551a2d022fa330f9573f3', bytes: 1_648_877 },
    't10k-labels-idx1-ubyte.gz': { md5: 'ec29112dd5afa0611ce80d1b7f02629c', bytes: 4_542 },
  },
  isFashion: false,
  augmentation: { cropPadding: 0, flip: false },
});
