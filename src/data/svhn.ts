/**
 * SVHN (Street View House Numbers), format 2: digits of 32x32 pixels in MAT files (mat.ts), each with X, bytes of [32, 32, 3, count]
 * with the row varying fastest, and y, labels 1 .. 10 of which 10 is the digit 0. A folder holds train_32x32.mat and
 * test_32x32.mat, and extra_32x32.mat for who asks for it; a single file is read as well, and a part of it held out.
 *
 * Bytes are divided by 256 and not shifted, and training images change in brightness and contrast alone, as in the code of
 * DoReFa-Net (papers.md 1.9): no mirror images of digits.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { imageBytes } from '../image/shape.js';
import { FormatError } from '../util/errors.js';
import { DamagedRecords } from './damaged-records.js';
import { type Dataset, type DatasetKind, type ImageSet, type LoadOptions, newJoinedSet } from './dataset.js';
import { holdOut, holdOutOptions, splitSet } from './hold-out.js';
import { isMat, type MatArray, readMat } from './mat.js';
import { firstBytes } from './places.js';

const side = 32;
const shape = { height: side, width: side, channels: 3 };
const classes = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const source = 'Netzer et al. 2011, http://ufldl.stanford.edu/housenumbers (format 2, cropped digits; for research)';
const address = 'http://ufldl.stanford.edu/housenumbers';
const fileOf = (split: 'train' | 'test' | 'extra'): string => `${split}_32x32.mat`;

function countOf(array: MatArray): number {
  const [height, width, channels, count = 1, ...rest] = array.shape;
  if (!array.isBytes || height !== side || width !== side || channels !== 3 || count === 0 || rest.length > 0) {
    throw array.error(
      `expected bytes of [32, 32, 3, count], found ${array.isBytes ? '' : 'other numbers '}of [${array.shape.join(', ')}]`,
    );
  }
  return count;
}

/** How many images a file promises, without reading them. */
async function countImages(file: string): Promise<number> {
  let count: number | undefined;
  await readMat(file, async (array) => {
    if (array.name === 'X') count = countOf(array);
  });
  if (count === undefined) throw new FormatError(`'${file}' holds no array X of images; is it SVHN, format 2?`);
  return count;
}

/** From planes with the row varying fastest to rows of pixels. */
async function readImages(array: MatArray, set: ImageSet, onImages: (done: number) => void): Promise<void> {
  const { images } = set;
  let first = 0; // of the image
  let [row, column, channel] = [0, 0, 0];
  for await (const piece of array.pieces()) {
    for (let i = 0; i < piece.length; i++) {
      images[first + (row * side + column) * 3 + channel] = piece[i] as number;
      if (++row < side) continue;
      row = 0;
      if (++column < side) continue;
      column = 0;
      if (++channel < 3) continue;
      channel = 0;
      first += imageBytes(shape);
    }
    onImages(Math.floor(first / imageBytes(shape)));
  }
}

/** Reads a file of as many images as `set` has. */
async function readFileInto(file: string, set: ImageSet, damaged: DamagedRecords, first: number, options: LoadOptions) {
  const missing = new Set(['X', 'y']);
  await readMat(file, async (array) => {
    if (array.name === 'X') {
      if (countOf(array) !== set.count) throw array.error(`a second one, of [${array.shape.join(', ')}]`);
      await readImages(array, set, (done) => options.onProgress?.(`reading ${file}`, done, set.count));
    } else if (array.name === 'y') {
      const count = array.shape.reduce((product, extent) => product * extent, 1);
      if (count !== set.count) throw array.error(`${count} labels for ${set.count} images`);
      for (const [i, label] of (await array.values()).entries()) {
        if (Number.isInteger(label) && label >= 1 && label <= 10) set.labels[i] = label % 10;
        else damaged.add(first + i, `the label of image ${i} in '${file}' is ${label}, not in 1..10`);
      }
    }
    missing.delete(array.name);
  });
  if (missing.size > 0)
    throw new FormatError(`'${file}' is damaged: it holds no array ${[...missing].join(' and no ')}`);
}

async function readFiles(files: readonly string[], options: LoadOptions): Promise<ImageSet> {
  const counts: number[] = [];
  for (const file of files) counts.push(await countImages(file));
  const { set, parts } = newJoinedSet(counts, shape);
  const damaged = new DamagedRecords(files.join("' and '"), set.count, options);
  let first = 0;
  for (const [i, file] of files.entries()) {
    await readFileInto(file, parts[i]!, damaged, first, options);
    first += counts[i]!;
  }
  return damaged.leaveOut(set);
}

async function loadSplits(path: string, options: LoadOptions): Promise<{ train: ImageSet; test: ImageSet }> {
  const { choices = {} } = options;
  if (statSync(path).isFile()) {
    const set = await readFiles([path], options);
    return splitSet(set, holdOut(set.labels, classes.length, choices));
  }
  const train = choices.extra === undefined ? [fileOf('train')] : [fileOf('train'), fileOf('extra')];
  for (const name of [...train, fileOf('test')]) {
    if (!existsSync(join(path, name))) {
      throw new FormatError(`'${path}' is incomplete: ${name} is missing; get it from ${address}/${name}`);
    }
  }
  return {
    train: await readFiles(
      train.map((name) => join(path, name)),
      options,
    ),
    test: await readFiles([join(path, fileOf('test'))], options),
  };
}

export const svhn: DatasetKind = {
  name: 'svhn',
  description: 'digits of house numbers in photographs, colour',
  files: 'train_32x32.mat and test_32x32.mat, also extra_32x32.mat',
  options: { extra: 'train on extra_32x32.mat as well (531,131 easier images)', ...holdOutOptions },
  published: {
    numClasses: classes.length,
    shape: [side, side, 3],
    splits: { train: 73_257, test: 26_032 },
    source,
    folders: ['svhn'],
    downloads: [
      { url: `${address}/train_32x32.mat`, md5: 'e26dedcc434d2e4c54c9b2d4a06d8373', bytes: 182_040_794 },
      { url: `${address}/test_32x32.mat`, md5: 'eb5a983be6a315427106f1b164d9cef3', bytes: 64_275_384 },
      {
        url: `${address}/extra_32x32.mat`,
        md5: 'a93ce644f1a588dc4d68dda5feec44a7',
        bytes: 1_329_278_602,
        choice: 'extra',
      },
    ],
  },
  locate(path) {
    if (existsSync(join(path, fileOf('train')))) return path;
    return isMat(firstBytes(path, 128)) ? path : undefined;
  },
  async load(path, options = {}): Promise<Dataset> {
    return {
      name: 'svhn',
      classes,
      ...(await loadSplits(path, options)),
      zeroPoints: [0, 0, 0],
      step: 1 / 256,
      source,
      augmentation: { cropPadding: 0, flip: false, brightness: 30, contrast: 0.5 },
    };
  },
};
