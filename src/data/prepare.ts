/**
 * Brings a whole image set to the shape that a network takes, once, when the data is loaded: colour to grey, resize, grey to
 * colour, each where needed, in the order that resizes the fewest channels.
 *
 * Converting at load costs memory (Fashion-MNIST at 40x40x3: 288 MB) and saves it per epoch: batches are plain copies.
 */
import { UsageError } from '../util/errors.js';
import { colourToGrey, greyToColour, luminance } from './channels.js';
import type { Dataset, ImageSet, ImageShape } from './dataset.js';
import { imageBytes, sharedBytes } from './dataset.js';
import { createResizer } from './resize.js';

type Conversion = (input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number) => void;

interface Stage {
  readonly shape: ImageShape;
  readonly convert: Conversion;
}

function checkTarget(from: ImageShape, to: ImageShape): void {
  const isPositive = (extent: number): boolean => Number.isInteger(extent) && extent > 0;
  if (!isPositive(to.height) || !isPositive(to.width)) {
    throw new UsageError(`an image's height and width must be positive integers, not ${to.height} x ${to.width}`);
  }
  const isPossible =
    to.channels === from.channels || (Math.min(to.channels, from.channels) === 1 && to.channels + from.channels === 4);
  if (!isPossible) {
    throw new UsageError(
      `images of ${from.channels} channels cannot become images of ${to.channels}: only 1 to 3 and 3 to 1`,
    );
  }
}

/** The conversions from one shape to the other, each with the shape it makes. */
function stagesBetween(from: ImageShape, to: ImageShape): Stage[] {
  const stages: Stage[] = [];
  let shape = from;
  const add = (next: ImageShape, convert: Conversion): void => {
    stages.push({ shape: next, convert });
    shape = next;
  };
  if (to.channels < from.channels) {
    const pixels = from.height * from.width;
    add({ ...shape, channels: 1 }, (input, inputAt, output, outputAt) =>
      colourToGrey(input, inputAt, output, outputAt, pixels),
    );
  }
  if (to.height !== from.height || to.width !== from.width) {
    add({ height: to.height, width: to.width, channels: shape.channels }, createResizer(shape, to));
  }
  if (to.channels > from.channels) {
    const pixels = to.height * to.width;
    add({ ...shape, channels: 3 }, (input, inputAt, output, outputAt) =>
      greyToColour(input, inputAt, output, outputAt, pixels),
    );
  }
  return stages;
}

/**
 * The set with images of the given shape; the same set when it has that shape. Throws UsageError for an impossible shape:
 * channels change only from 1 to 3 and from 3 to 1.
 */
export function prepare(set: ImageSet, { height, width, channels }: ImageShape): ImageSet {
  const to = { height, width, channels };
  checkTarget(set, to);
  const stages = stagesBetween(set, to);
  const last = stages.length - 1;
  if (last < 0) return set;
  const images = sharedBytes(set.count * imageBytes(to));
  // Every stage but the last writes one image, which the next stage reads.
  const between = stages.slice(0, last).map(({ shape }) => new Uint8Array(imageBytes(shape)));
  for (let i = 0; i < set.count; i++) {
    let input = set.images;
    let inputAt = i * imageBytes(set);
    for (const [k, stage] of stages.entries()) {
      const output = between[k] ?? images;
      stage.convert(input, inputAt, output, k === last ? i * imageBytes(to) : 0);
      input = output;
      inputAt = 0;
    }
  }
  return { ...to, count: set.count, labels: set.labels, images };
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
