/**
 * Codewords: the 512 sign patterns of a 3x3 filter (Sparks, papers 2.2). A codeword's *id* is its signs as bits, row by row, the
 * most significant first; 1 is +1 (TV-7).
 */

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

/** Writes one filter's levels: what `codewordAt` reads. */
export function writeCodeword(levels: { [index: number]: number }, filters: number, filter: number, id: number): void {
  for (let tap = 0; tap < codewordTaps; tap++) levels[tap * filters + filter] = isPositive(id, tap) ? 1 : 0;
}
