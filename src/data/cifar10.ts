/**
 * CIFAR-10, the binary version: five files of training images and one of test images, each a run of records
 *
 *     1 label byte | 1024 red bytes | 1024 green bytes | 1024 blue bytes      planes of 32x32, row by row
 *
 * The zero points are the training images' channel means (0.4914, 0.4822, 0.4465) as bytes, and 1/63 is near one standard
 * deviation (0.24..0.26) per real unit.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError } from '../util/errors.js';
import type { Dataset, DatasetKind, ImageSet } from './dataset.js';
import { newImageSet } from './dataset.js';
import { existingFile, findInPlaces, readExactly, readingFile } from './places.js';

const folder = 'cifar-10-batches-bin';
const side = 32;
const planeBytes = side * side;
const recordBytes = 1 + 3 * planeBytes;
const trainFiles = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
const testFiles = ['test_batch.bin'];

const classes = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const source = 'Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html (the binary version)';

/** Writes the records of one file, checked by `file`'s name, as images `first`, `first + 1`, .. of `set`. */
function unpackRecords(file: string, records: Uint8Array, set: ImageSet, first: number): void {
  const { images, labels } = set;
  for (let i = 0; i * recordBytes < records.length; i++) {
    const label = records[i * recordBytes] as number;
    if (label >= classes.length) {
      throw new FormatError(`'${file}' is damaged: the label of record ${i} is ${label}, not in 0..9`);
    }
    labels[first + i] = label;
    const red = i * recordBytes + 1;
    let to = (first + i) * 3 * planeBytes;
    for (let pixel = red; pixel < red + planeBytes; pixel++) {
      images[to] = records[pixel] as number;
      images[to + 1] = records[pixel + planeBytes] as number;
      images[to + 2] = records[pixel + 2 * planeBytes] as number;
      to += 3;
    }
  }
}

async function loadSplit(directory: string, names: readonly string[], imagesPerFile: number): Promise<ImageSet> {
  const files = names.map((name) => existingFile(directory, [name]));
  const set = newImageSet(files.length * imagesPerFile, { height: side, width: side, channels: 3 });
  const records = new Uint8Array(imagesPerFile * recordBytes);
  for (const [i, file] of files.entries()) {
    await readingFile(file, async (handle, bytes) => {
      if (bytes !== records.length) {
        throw new FormatError(`'${file}' is damaged: expected ${records.length} bytes, found ${bytes}`);
      }
      await readExactly(handle, file, records, 0);
    });
    unpackRecords(file, records, set, i * imagesPerFile);
  }
  return set;
}

/**
 * Reads the six files in `directory`.
 * @param imagesPerFile images in each file. Fixed rather than taken from a file's length: a file cut between two records is
 * damaged too. @default 10000
 */
export async function loadCifar10(directory: string, imagesPerFile = 10_000): Promise<Dataset> {
  return {
    name: 'cifar10',
    classes,
    train: await loadSplit(directory, trainFiles, imagesPerFile),
    test: await loadSplit(directory, testFiles, imagesPerFile),
    zeroPoints: [125, 123, 114],
    step: 1 / 63,
    source,
    augmentation: { cropPadding: 4, flip: true },
  };
}

function locate(path: string): string | undefined {
  return [path, join(path, folder)].find((directory) => existsSync(join(directory, 'data_batch_1.bin')));
}

export const cifar10: DatasetKind = {
  name: 'cifar10',
  description: 'small photographs of ten kinds of things, colour',
  classes,
  shape: [side, side, 3],
  splits: { train: 50_000, test: 10_000 },
  source,
  files: 'data_batch_1.bin .. data_batch_5.bin, test_batch.bin (or the folder cifar-10-batches-bin with them)',
  locate,
  find: () => findInPlaces(['cifar10', folder], locate),
  load: (path) => loadCifar10(path),
};
