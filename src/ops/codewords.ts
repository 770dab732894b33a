/**
 * Codewords: the 512 sign patterns of a 3x3 filter (Sparks, papers 2.2). A codeword's *id* is its signs as bits, row by row, the
 * most significant first; 1 is +1 (TV-7).
 */

import type { TensorType } from '../core/tensor.js';
import { SubbitError } from '../util/errors.js';

/** Signs of a codeword. */
export const codewordTaps = 9;
export const numCodewords = 2 ** codewordTaps;

/** Whether a sign is +1. `taps` is the length of the codeword, where it is another one than that of 3x3 filters. */
export function isPositive(id: number, tap: number, taps: number = codewordTaps): boolean {
  return ((id >> (taps - 1 - tap)) & 1) === 1;
}

/** The id of one filter of a tensor [3, 3, C, K] of levels 0 and 1; `filters` is C * K, `filter` the place among them. */
export function codewordAt(levels: ArrayLike<number>, filters: number, filter: number): number {
  let id = 0;
  for (let tap = 0; tap < codewordTaps; tap++) id = 2 * id + levels[tap * filters + filter]!;
  return id;
}

/** The codewords that occur in a tensor [3, 3, C, K] of levels 0 and 1; when they are more than `most`, so many and one. */
export function distinctCodewords(
  levels: ArrayLike<number>,
  filters: number,
  most: number = numCodewords,
): Set<number> {
  const found = new Set<number>();
  for (let filter = 0; filter < filters && found.size <= most; filter++) found.add(codewordAt(levels, filters, filter));
  return found;
}

/** The codeword of each real filter of a [3, 3, C, K] tensor, as [C, K]; sign(0) = +1, as in the quantizer. */
export function codewordIds(filter: ArrayLike<number>, shape: readonly number[]): Uint16Array {
  const [height, width, inChannels, outChannels] = shape;
  if (shape.length !== 4 || height !== 3 || width !== 3)
    throw new SubbitError(`codewords are of 3x3 filters, not of [${shape.join(', ')}]`);
  const filters = inChannels! * outChannels!;
  const ids = new Uint16Array(filters);
  for (let tap = 0; tap < codewordTaps; tap++)
    for (let i = 0; i < filters; i++) ids[i] = (ids[i]! << 1) | (filter[tap * filters + i]! >= 0 ? 1 : 0);
  return ids;
}

/** Bits that tell `codewords` indices apart: ceil(log2 codewords). */
export function indexBits(codewords: number): number {
  return Math.ceil(Math.log2(codewords));
}

/** Whether a tensor's filters are codewords: bipolar levels of 1 bit, 3x3. */
export function isBinary3x3({ shape, encoding }: TensorType): boolean {
  const [height, width] = shape;
  return shape.length === 4 && height === 3 && width === 3 && encoding?.kind === 'bipolar' && encoding.max === 1;
}

/** Writes one filter's levels: what `codewordAt` reads. */
export function writeCodeword(levels: { [index: number]: number }, filters: number, filter: number, id: number): void {
  for (let tap = 0; tap < codewordTaps; tap++) levels[tap * filters + filter] = isPositive(id, tap) ? 1 : 0;
}
