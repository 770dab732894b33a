/**
 * Random changes of training images, in this order: a resized crop (resized-crop.ts), brightness and contrast (colour.ts), a crop at
 * a random place of the padded image, and a mirror image. Padding keeps the zero point.
 *
 * The random numbers of an image are those at its index in the set, in the streams (seed, 'augment', epoch) and, for cuts and
 * colours, (seed, 'augment cut', epoch) and (seed, 'augment colour', epoch): they depend neither on the batch the image is in,
 * nor on who fills the batch, nor on where training was resumed, nor on which of the other changes are asked for.
 */
import { imageBytes } from '../image/shape.js';
import { Philox } from '../util/philox.js';
import { changeColours, drawColourChange } from './colour.js';
import { type Augmentation, type ImageSet, newImageSet } from './dataset.js';
import { Cutter, drawCut } from './resized-crop.js';

/**
 * What happens to one image: output (y, x) is input (y + down, x + right), or (y + down, width - 1 - x + right) in a
 * mirror image.
 */
export interface Change {
  readonly down: number;
  readonly right: number;
  readonly isMirrored: boolean;
}

/** One block of the generator per image. */
const numbersPerImage = 4;

/** The change of image `index`; `random` is the stream (seed, 'augment', epoch). */
export function drawChange(random: Philox, index: number, { cropPadding, flip }: Augmentation): Change {
  const at = index * numbersPerImage;
  const shift = (position: number): number =>
    Math.floor(random.uniform(position) * (2 * cropPadding + 1)) - cropPadding;
  return { down: shift(at), right: shift(at + 1), isMirrored: flip && random.uniform(at + 2) < 0.5 };
}

/** Changes the images of a set in one epoch after the other. */
export class Augmenter {
  readonly #set: ImageSet;
  readonly #augmentation: Augmentation;
  readonly #seed: number;
  readonly #zeroPoints: readonly number[];
  /** One image, between the changes of its content and those of its place. */
  readonly #scratch: ImageSet;
  readonly #cutter: Cutter;

  constructor(set: ImageSet, plan: { augmentation: Augmentation; seed: number; zeroPoints: readonly number[] }) {
    this.#set = set;
    this.#augmentation = plan.augmentation;
    this.#seed = plan.seed;
    this.#zeroPoints = plan.zeroPoints;
    this.#scratch = newImageSet(1, set);
    this.#cutter = new Cutter(set);
  }

  /** A function that writes image `index`, as `epoch` changes it, to `output[outputAt..]`. */
  ofEpoch(epoch: number): (index: number, output: Uint8Array, outputAt: number) => void {
    const { cropPadding, flip, brightness = 0, contrast = 0, resizedCrop = 0 } = this.#augmentation;
    const random = new Philox(this.#seed, 'augment', epoch);
    const randomCut = new Philox(this.#seed, 'augment cut', epoch);
    const randomColour = new Philox(this.#seed, 'augment colour', epoch);
    const isMoving = cropPadding > 0 || flip;
    const isCutting = resizedCrop > 0;
    const isColouring = brightness > 0 || contrast > 0;
    const size = imageBytes(this.#set);
    const scratch = this.#scratch.images;
    return (index, output, outputAt) => {
      const original = this.#set.images.subarray(index * size, (index + 1) * size);
      if (isCutting) this.#cutter.write(index, drawCut(randomCut, index, resizedCrop, this.#set), scratch);
      else if (isColouring) scratch.set(original);
      if (isColouring)
        changeColours(scratch, this.#set.channels, drawColourChange(randomColour, index, this.#augmentation));
      const isInScratch = isCutting || isColouring;
      if (isMoving) {
        const change = drawChange(random, index, this.#augmentation);
        const [set, at] = isInScratch ? [this.#scratch, 0] : [this.#set, index];
        writeChanged(set, at, change, this.#zeroPoints, output, outputAt);
      } else output.set(isInScratch ? scratch : original, outputAt);
    };
  }
}

/** Writes image `index` of `set`, changed, to `output[outputAt..]`; what lies outside the image is `zeroPoints`. */
export function writeChanged(
  set: ImageSet,
  index: number,
  change: Change,
  zeroPoints: readonly number[],
  output: Uint8Array,
  outputAt: number,
): void {
  const { height, width, channels } = set;
  const { down, right, isMirrored } = change;
  const rowBytes = width * channels;
  if (isMirrored) writeMirrored(set, index, change, output, outputAt);
  else writeShifted(set, index, change, output, outputAt);
  // What the image does not reach, or where bytes of a neighbouring row came to lie.
  const openRows = Math.min(Math.abs(down), height);
  const openBytes = Math.min(Math.abs(right), width) * channels;
  writeZeros(
    zeroPoints,
    channels,
    output,
    down < 0 ? outputAt : outputAt + (height - openRows) * rowBytes,
    openRows * rowBytes,
  );
  if (openBytes === 0) return;
  const isOpenLeft = right < 0 !== isMirrored;
  const first = outputAt + (isOpenLeft ? 0 : rowBytes - openBytes);
  for (let y = 0; y < height; y++) writeZeros(zeroPoints, channels, output, first + y * rowBytes, openBytes);
}

/** One copy for the whole image: a crop moves every byte by the same distance. Columns that run over a row's end are wrong. */
function writeShifted(
  set: ImageSet,
  index: number,
  { down, right }: Change,
  output: Uint8Array,
  outputAt: number,
): void {
  const size = imageBytes(set);
  const distance = (down * set.width + right) * set.channels;
  const first = index * size + Math.max(0, distance);
  const end = index * size + size + Math.min(0, distance);
  if (first < end) output.set(set.images.subarray(first, end), outputAt + Math.max(0, -distance));
}

function writeMirrored(
  set: ImageSet,
  index: number,
  { down, right }: Change,
  output: Uint8Array,
  outputAt: number,
): void {
  const { images, height, width, channels } = set;
  const imageAt = index * imageBytes(set);
  const rowBytes = width * channels;
  // The input pixels from firstX to endX go, last one first, to the output pixels from firstX on.
  const firstX = Math.max(0, right);
  const endX = Math.min(width, width + right);
  for (let y = Math.max(0, -down); y < Math.min(height, height - down); y++) {
    const firstByte = imageAt + (y + down) * rowBytes + firstX * channels;
    let from = imageAt + (y + down) * rowBytes + (endX - 1) * channels;
    let out = outputAt + y * rowBytes + firstX * channels;
    if (channels === 3) {
      for (; from >= firstByte; from -= 3, out += 3) {
        output[out] = images[from] as number;
        output[out + 1] = images[from + 1] as number;
        output[out + 2] = images[from + 2] as number;
      }
    } else {
      for (; from >= firstByte; from -= channels) {
        for (let c = 0; c < channels; c++) output[out++] = images[from + c] as number;
      }
    }
  }
}

function writeZeros(
  zeroPoints: readonly number[],
  channels: number,
  output: Uint8Array,
  first: number,
  bytes: number,
): void {
  for (let at = first; at < first + bytes; at += channels) {
    for (let c = 0; c < channels; c++) output[at + c] = zeroPoints[c] as number;
  }
}
