/**
 * How the bytes of a set without published statistics become real numbers: the training images' mean per channel is the zero
 * point, and their standard deviation, the mean over channels, is one unit; both rounded to whole bytes.
 */
import type { ImageSet } from './dataset.js';

export function normalisationOf({ images, channels }: ImageSet): { zeroPoints: number[]; step: number } {
  const sums = new Float64Array(channels);
  const squares = new Float64Array(channels);
  for (let at = 0; at < images.length; at += channels) {
    for (let c = 0; c < channels; c++) {
      const byte = images[at + c] as number;
      sums[c]! += byte;
      squares[c]! += byte * byte;
    }
  }
  const pixels = images.length / channels;
  const means = [...sums].map((sum) => sum / pixels);
  const deviations = means.map((mean, c) => Math.sqrt(Math.max(0, squares[c]! / pixels - mean * mean)));
  const deviation = deviations.reduce((sum, each) => sum + each, 0) / channels;
  return { zeroPoints: means.map(Math.round), step: 1 / Math.max(1, Math.round(deviation)) };
}
