/**
 * CIFAR-10, the binary version: five files of training images and one of test images (cifar.ts).
 *
 * The zero points are the training images' channel means (0.4914, 0.4822, 0.4465) as bytes, and 1/63 is near one standard
 * deviation (0.24..0.26) per real unit.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cifarShape, loadCifarSplit } from './cifar.js';
import type { Dataset, DatasetKind, LoadOptions } from './dataset.js';

const folder = 'cifar-10-batches-bin';
const trainFiles = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
const testFiles = ['test_batch.bin'];

const classes = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const source = 'Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html (the binary version)';

/** Reads the six files in `directory`, each with `imagesPerFile` images. @default 10000 */
export async function loadCifar10(
  directory: string,
  options: LoadOptions = {},
  imagesPerFile = 10_000,
): Promise<Dataset> {
  const layout = { perFile: imagesPerFile, labelBytes: 1, label: 0, numClasses: classes.length };
  return {
    name: 'cifar10',
    classes,
    train: await loadCifarSplit(directory, trainFiles, layout, options),
    test: await loadCifarSplit(directory, testFiles, layout, options),
    zeroPoints: [125, 123, 114],
    step: 1 / 63,
    source,
    augmentation: { cropPadding: 4, flip: true },
  };
}

export const cifar10: DatasetKind = {
  name: 'cifar10',
  description: 'small photographs of ten kinds of things, colour',
  files: 'data_batch_1.bin .. data_batch_5.bin, test_batch.bin (or the folder cifar-10-batches-bin with them)',
  published: {
    numClasses: classes.length,
    shape: [cifarShape.height, cifarShape.width, cifarShape.channels],
    splits: { train: 50_000, test: 10_000 },
    source,
    folders: ['cifar10', folder],
    downloads: [
      {
        url: 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
        md5: 'c32a1d4ab5d03f1284b67883e8d87530',
        bytes: 170_052_171,
        unpackedBytes: 184_400_000,
      },
    ],
  },
  locate: (path) => [path, join(path, folder)].find((directory) => existsSync(join(directory, 'data_batch_1.bin'))),
  load: (path, options) => loadCifar10(path, options),
};
