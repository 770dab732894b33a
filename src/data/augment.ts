/**
 * Random changes of training images: a crop at a random place of the padded image, and a mirror image.
 *
 * The random numbers of an image are those at its index in the set, in the stream (seed, 'augment', epoch): they depend
 * neither on the batch the image is in, nor on who fills the batch, nor on where training was resumed.
 */

import { imageBytes } from '../image/shape.js';
import type { Philox } from '../util/philox.js';
import type { Augmentation, ImageSet } from './dataset.js';

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
