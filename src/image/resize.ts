/**
 * Resizing images of bytes: the one resize of the package, in integers, so that a picture becomes the same bytes on every
 * platform and a deployed network sees what it was trained on.
 *
 * Bilinear with half-pixel centres and antialiasing, as Pillow's BILINEAR and torchvision's `antialias=True`. With the scale
 * s = from / to, output i is centred at c = (i + 1/2) s - 1/2 on the input's axis and takes input j with the triangle
 *
 *     max(0, 1 - |j - c| / max(1, s))
 *
 * that is, plain interpolation when enlarging, and an average over the covered area when shrinking. Times 2 max(from, to)
 * this is an integer, 2 max(from, to) - |(2j + 1) to - (2i + 1) from|. Inputs beyond the edge are left out, which when
 * enlarging is the same as repeating the edge pixel.
 *
 * The triangle of an output is scaled to integers that sum to exactly 2^11 (rounded down, and what is missing goes to the
 * largest remainders, the first of equals), so a constant image stays constant. Rows and columns are two passes. 11 bits
 * twice and 8 bits of pixel fit in 31 bits: both passes are exact in int32, their order does not matter, and the only
 * rounding is the last shift by 22, half to even. (14 bits would round between the passes or need 64 bits, for about a tenth
 * of a byte step of accuracy.)
 */
import type { ImageShape } from './shape.js';

const weightBits = 11;

/** The weights of one axis: output i is the sum over t < numTaps of weights[i * numTaps + t] * input[starts[i] + t]. */
export interface Taps {
  readonly numTaps: number;
  readonly starts: Int32Array;
  readonly weights: Int32Array;
}

/** `value / 2^bits` for value >= 0, rounded half to even. */
export function shiftHalfEven(value: number, bits: number): number {
  return (value + (1 << (bits - 1)) - 1 + ((value >> bits) & 1)) >> bits;
}

/** Integers proportional to `parts` that sum to exactly 2^weightBits. */
function scaleToUnit(parts: readonly number[]): number[] {
  const unit = 2 ** weightBits;
  const total = parts.reduce((sum, part) => sum + part, 0);
  const remainders = parts.map((part) => (part * unit) % total);
  const weights = parts.map((part, k) => (part * unit - (remainders[k] as number)) / total);
  const missing = unit - weights.reduce((sum, weight) => sum + weight, 0);
  // Array sorting is stable: equal remainders keep their order.
  const largestFirst = [...parts.keys()].sort((a, b) => (remainders[b] as number) - (remainders[a] as number));
  for (const k of largestFirst.slice(0, missing)) weights[k] = (weights[k] as number) + 1;
  return weights;
}

/** The taps that take an axis of `from` pixels to one of `to`. */
export function resizeTaps(from: number, to: number): Taps {
  const reach = 2 * Math.max(from, to);
  const rows = Array.from({ length: to }, (_, i) => {
    const centre = (2 * i + 1) * from; // twice the centre plus one, in units of 1 / to input pixels
    const start = Math.max(0, Math.floor((centre - reach - to) / (2 * to)) + 1);
    const end = Math.min(from, Math.ceil((centre + reach - to) / (2 * to)));
    const parts = Array.from({ length: end - start }, (_, t) => reach - Math.abs((2 * (start + t) + 1) * to - centre));
    return { start, weights: scaleToUnit(parts) };
  });
  const numTaps = Math.max(...rows.map((row) => row.weights.length));
  const starts = new Int32Array(to);
  const weights = new Int32Array(to * numTaps);
  for (const [i, row] of rows.entries()) {
    // A row with fewer taps than the longest moves inward where its end would lie beyond the edge.
    const start = Math.min(row.start, from - numTaps);
    starts[i] = start;
    weights.set(row.weights, i * numTaps + row.start - start);
  }
  return { numTaps, starts, weights };
}

/** Resizes one image at `input[inputAt..]` to `output[outputAt..]`, both NHWC bytes. */
export type Resizer = (input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number) => void;

/**
 * A resizer between two sizes; it keeps its weights and working memory, so one serves many images. Who makes many resizers may
 * keep the taps of each axis, by `tapsOf`.
 */
export function createResizer(
  from: ImageShape,
  to: { height: number; width: number },
  tapsOf: (from: number, to: number) => Taps = resizeTaps,
): Resizer {
  const { channels } = from;
  const across = tapsOf(from.width, to.width);
  const down = tapsOf(from.height, to.height);
  const rowLength = to.width * channels;
  const rows = new Int32Array(from.height * rowLength); // [from.height, to.width, channels], scaled by 2^11

  const resizeRows = (input: Uint8Array, inputAt: number): void => {
    const { numTaps, starts, weights } = across;
    let out = 0;
    for (let y = 0; y < from.height; y++) {
      const rowAt = inputAt + y * from.width * channels;
      for (let x = 0; x < to.width; x++) {
        const first = rowAt + (starts[x] as number) * channels;
        for (let c = 0; c < channels; c++) {
          let sum = 0;
          let at = first + c;
          for (let k = x * numTaps; k < (x + 1) * numTaps; k++) {
            sum += (weights[k] as number) * (input[at] as number);
            at += channels;
          }
          rows[out++] = sum;
        }
      }
    }
  };

  return (input, inputAt, output, outputAt) => {
    resizeRows(input, inputAt);
    const { numTaps, starts, weights } = down;
    let out = outputAt;
    for (let y = 0; y < to.height; y++) {
      const first = (starts[y] as number) * rowLength;
      for (let i = 0; i < rowLength; i++) {
        let sum = 0;
        let at = first + i;
        for (let k = y * numTaps; k < (y + 1) * numTaps; k++) {
          sum += (weights[k] as number) * (rows[at] as number);
          at += rowLength;
        }
        output[out++] = shiftHalfEven(sum, 2 * weightBits);
      }
    }
  };
}

/** One image of `from`'s shape, resized. */
export function resizeImage(image: Uint8Array, from: ImageShape, to: { height: number; width: number }): Uint8Array {
  const resized = new Uint8Array(to.height * to.width * from.channels);
  createResizer(from, to)(image, 0, resized, 0);
  return resized;
}
