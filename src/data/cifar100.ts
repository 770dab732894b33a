/**
 * CIFAR-100, the binary version: a file of training and one of test images (cifar.ts), each record with the label of one of 20
 * superclasses in front of that of one of 100 classes, and the names of both in text files.
 *
 * The zero points are the training images' channel means (0.5071, 0.4865, 0.4409) as bytes, and 1/68 is near one standard
 * deviation (0.26..0.28) per real unit.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FormatError } from '../util/errors.js';
import { cifarShape, loadCifarSplit } from './cifar.js';
import type { Dataset, DatasetKind, LoadOptions } from './dataset.js';
import { existingFile } from './places.js';

const folder = 'cifar-100-binary';
const numFine = 100;
const numCoarse = 20;
const source = 'Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html (the binary version)';

async function readNames(directory: string, name: string, count: number): Promise<string[]> {
  const file = existingFile(directory, [name]);
  const names = (await readFile(file, 'utf8')).trim().split(/\s+/);
  if (names.length !== count) throw new FormatError(`'${file}' is damaged: ${names.length} names, not ${count}`);
  return names;
}

/** Reads the two files in `directory`. @default 50000 and 10000 images */
export async function loadCifar100(
  directory: string,
  options: LoadOptions = {},
  images: { readonly train: number; readonly test: number } = { train: 50_000, test: 10_000 },
): Promise<Dataset> {
  const isCoarse = options.choices?.coarse !== undefined;
  const labels = { labelBytes: 2, label: isCoarse ? 0 : 1, numClasses: isCoarse ? numCoarse : numFine };
  return {
    name: 'cifar100',
    classes: isCoarse
      ? await readNames(directory, 'coarse_label_names.txt', numCoarse)
      : await readNames(directory, 'fine_label_names.txt', numFine),
    train: await loadCifarSplit(directory, ['train.bin'], { ...labels, perFile: images.train }, options),
    test: await loadCifarSplit(directory, ['test.bin'], { ...labels, perFile: images.test }, options),
    zeroPoints: [129, 124, 112],
    step: 1 / 68,
    source,
    augmentation: { cropPadding: 4, flip: true },
  };
}

export const cifar100: DatasetKind = {
  name: 'cifar100',
  description: 'small photographs of a hundred kinds of things, colour',
  files: 'train.bin, test.bin, fine_label_names.txt, coarse_label_names.txt (or the folder cifar-100-binary with them)',
  options: { coarse: 'the 20 superclasses as labels' },
  published: {
    numClasses: numFine,
    shape: [cifarShape.height, cifarShape.width, cifarShape.channels],
    splits: { train: 50_000, test: 10_000 },
    source,
    folders: ['cifar100', folder],
    downloads: [
      {
        url: 'https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz',
        md5: '03b5dce01913d631647c71ecec9e9cb8',
        bytes: 168_513_733,
        unpackedBytes: 184_500_000,
      },
    ],
  },
  locate: (path) =>
    [path, join(path, folder)].find((directory) =>
      ['train.bin', 'fine_label_names.txt'].every((name) => existsSync(join(directory, name))),
    ),
  load: (path, options) => loadCifar100(path, options),
};
