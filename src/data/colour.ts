/**
 * Random brightness and contrast of training images, as in the SVHN recipe of DoReFa-Net's code (papers.md 1.9): every byte x of a
 * channel becomes, with m the channel's mean over the image after the first step,
 *
 *     x' = x + b, clamped to 0..255         b an integer in -brightness .. brightness
 *     y  = m + c (x' - m), clamped          c in 1 - contrast .. 1 + contrast
 *
 * in integers, with m and c in 256ths, rounded half up. Of each channel a table of 256 bytes is made, so that an image costs two
 * passes. What the random numbers depend on: augment.ts.
 */
import type { Augmentation } from '../image/augmentation.js';
import type { Philox } from '../util/philox.js';

export interface ColourChange {
  readonly brightness: number;
  /** In 256ths. */
  readonly contrast: number;
}

/** One block of the generator per image. */
const numbersPerImage = 4;
const clamp = (value: number): number => Math.min(255, Math.max(0, value));

/** The change of image `index`; `random` is the stream (seed, 'augment colour', epoch). */
export function drawColourChange(
  random: Philox,
  index: number,
  { brightness = 0, contrast = 0 }: Augmentation,
): ColourChange {
  const at = index * numbersPerImage;
  const lowest = Math.round(256 * (1 - contrast));
  const highest = Math.round(256 * (1 + contrast));
  return {
    brightness: Math.floor(random.uniform(at) * (2 * brightness + 1)) - brightness,
    contrast: lowest + Math.floor(random.uniform(at + 1) * (highest - lowest + 1)),
  };
}

/** Changes one image of `channels` channels in place. */
export function changeColours(image: Uint8Array, channels: number, { brightness, contrast }: ColourChange): void {
  const pixels = image.length / channels;
  const table = new Uint8Array(256);
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    for (let at = c; at < image.length; at += channels) sum += clamp((image[at] as number) + brightness);
    const mean = Math.round((256 * sum) / pixels);
    for (let x = 0; x < 256; x++) {
      const distance = 256 * clamp(x + brightness) - mean;
      table[x] = clamp((256 * mean + distance * contrast + 2 ** 15) >> 16);
    }
    for (let at = c; at < image.length; at += channels) image[at] = table[image[at] as number] as number;
  }
}
