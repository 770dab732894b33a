/**
 * Brings a whole image set to the shape that a network takes, once, when the data is loaded (src/image/convert.ts).
 *
 * Converting at load costs memory (Fashion-MNIST at 40x40x3: 288 MB) and saves it per epoch: batches are plain copies.
 */
import { luminance } from '../image/channels.js';
import { createConverter } from '../image/convert.js';
import { type ImageShape, imageBytes } from '../image/shape.js';
import type { Dataset, ImageSet } from './dataset.js';
import { sharedBytes } from './dataset.js';

/**
 * The set with images of the given shape; the same set when it has that shape. Throws UsageError for an impossible shape:
 * channels change only from 1 to 3 and from 3 to 1.
 */
export function prepare(set: ImageSet, { height, width, channels }: ImageShape): ImageSet {
  const to = { height, width, channels };
  const convert = createConverter(set, to);
  if (convert === undefined) return set;
  const images = sharedBytes(set.count * imageBytes(to));
  for (let i = 0; i < set.count; i++) convert(set.images, i * imageBytes(set), images, i * imageBytes(to));
  return { ...set, ...to, images };
}

function prepareZeroPoints(zeroPoints: readonly number[], channels: number): readonly number[] {
  if (zeroPoints.length === channels) return zeroPoints;
  const [first, second, third] = zeroPoints as [number, number, number];
  return channels === 1 ? [luminance(first, second, third)] : [first, first, first];
}

/** The data set with both splits prepared and its zero points to match. */
export function prepareDataset(dataset: Dataset, shape: ImageShape): Dataset {
  return {
    ...dataset,
    train: prepare(dataset.train, shape),
    test: prepare(dataset.test, shape),
    zeroPoints: prepareZeroPoints(dataset.zeroPoints, shape.channels),
  };
}
