/**
 * digits: 1,797 handwritten digits of 8x8 pixels, embedded in the package, so that everything can be tried and tested
 * without a download, in a browser too. A pixel counts the black dots of a 4x4 block, 0..16; it is stored as the byte
 * round(value * 255 / 16).
 *
 * The split is fixed and stratified: the images sorted by class (in the original order within a class), every fifth one,
 * beginning with the first, is a test image. That makes 1,437 training and 360 test images, each class with 20 % +- 1
 * image, both in the original order. The original order runs writer by writer (13 of them), so every writer is in both
 * splits, and accuracies say nothing about writers never seen.
 */

import { imageBytes } from '../image/shape.js';
import type { Dataset, DatasetKind, ImageSet } from './dataset.js';
import { newImageSet } from './dataset.js';

const shape = { height: 8, width: 8, channels: 1 };
const numClasses = 10;
const testEvery = 5;
const classes = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const source =
  'Alpaydin, Kaynak 1998: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, ' +
  'https://doi.org/10.24432/C50P49, CC BY 4.0';

/** Undoes the packing of scripts/make-digits.mjs: the values 0..16 of all images. */
function unpackPixels(text: string, alphabet: string): Uint8Array {
  const letters = text.replaceAll('\n', '');
  const index = new Map([...alphabet].map((letter, i) => [letter, i]));
  const values = new Uint8Array((letters.length / 2) * 3);
  for (let pair = 0; pair * 2 < letters.length; pair++) {
    const high = index.get(letters[pair * 2] as string) as number;
    const code = high * alphabet.length + (index.get(letters[pair * 2 + 1] as string) as number);
    values[pair * 3] = Math.floor(code / 289);
    values[pair * 3 + 1] = Math.floor(code / 17) % 17;
    values[pair * 3 + 2] = code % 17;
  }
  return values;
}

/** The images with the given indices. */
function pick(values: Uint8Array, labels: readonly number[], indices: readonly number[]): ImageSet {
  const set = newImageSet(indices.length, shape);
  const size = imageBytes(shape);
  for (const [i, index] of indices.entries()) {
    set.labels[i] = labels[index] as number;
    for (let p = 0; p < size; p++)
      set.images[i * size + p] = Math.round(((values[index * size + p] as number) * 255) / 16);
  }
  return set;
}

async function load(): Promise<Dataset> {
  const packed = await import('./digits.bytes.js');
  const values = unpackPixels(packed.pixels, packed.alphabet);
  const labels = [...packed.labels.replaceAll('\n', '')].map(Number);
  const byClass = Array.from({ length: numClasses }, (_, digit) => digit).flatMap((digit) =>
    labels.flatMap((label, i) => (label === digit ? [i] : [])),
  );
  const test = new Set(byClass.filter((_, position) => position % testEvery === 0));
  const all = [...labels.keys()];
  return {
    name: 'digits',
    classes,
    train: pick(
      values,
      labels,
      all.filter((i) => !test.has(i)),
    ),
    test: pick(
      values,
      labels,
      all.filter((i) => test.has(i)),
    ),
    zeroPoints: [0],
    step: 1 / 255,
    source,
    augmentation: { cropPadding: 0, flip: false },
  };
}

export const digits: DatasetKind = {
  name: 'digits',
  description: 'handwritten digits, tiny and grey, built in',
  files: 'nothing: it is built in',
  published: {
    numClasses,
    shape: [shape.height, shape.width, shape.channels],
    splits: { train: 1437, test: 360 },
    source,
    downloads: [],
  },
  locate: () => undefined,
  load,
};
