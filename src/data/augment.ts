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
  const { images, height, width, channels } = set;
  const imageAt = index * imageBytes(set);
  let out = outputAt;
  const writeZeros = (pixels: number): void => {
    for (let x = 0; x < pixels; x++) {
      for (let c = 0; c < channels; c++) output[out++] = zeroPoints[c] as number;
    }
  };
  // In every row the image covers the output pixels from `open` to `open + covered`, which start at input pixel `firstX`.
  const covered = Math.max(0, width - Math.abs(change.right));
  const isOpenLeft = change.right < 0 !== change.isMirrored;
  const open = isOpenLeft ? width - covered : 0;
  const firstX = Math.max(0, change.right) + (change.isMirrored ? covered - 1 : 0);
  for (let y = 0; y < height; y++) {
    const fromY = y + change.down;
    if (fromY < 0 || fromY >= height) {
      writeZeros(width);
      continue;
    }
    writeZeros(open);
    let from = imageAt + (fromY * width + firstX) * channels;
    if (change.isMirrored) {
      for (let x = 0; x < covered; x++, from -= channels) {
        for (let c = 0; c < channels; c++) output[out++] = images[from + c] as number;
      }
    } else {
      for (const end = from + covered * channels; from < end; from++) output[out++] = images[from] as number;
    }
    writeZeros(width - covered - open);
  }
}
