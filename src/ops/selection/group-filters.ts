/**
 * Grouping of filters: each becomes the nearest codeword of the sub-codebook, argmin ||u - w||^2 = argmax <u, w>.
 *
 * <u, w> = sum |w| - 2 cost, where cost is the sum of |w_i| over the elements whose signs differ: sums of numbers that are not
 * negative, so that the codeword with the filter's own signs, when it is there, has cost 0 and wins whatever the rounding. Zero has
 * the sign +1, as in quantize-sign, and counts as the smallest positive number: with all codewords grouping is quantize-sign. Of
 * equal costs the first position wins.
 *
 * Costs are rounded after each addition: the first half of the elements in order, the second half in order, then both. Kernels
 * have the 2^5 + 2^4 sums of halves in tables.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { integer, quantized, sizeOf } from '../../core/tensor.js';
import { isPositive } from '../codewords.js';
import { requireSameShape } from '../elementwise/elementwise.js';
import { codewordLength, filtersOf, requireIds } from './codebook.js';

/** What element w adds to the cost of a codeword that has +1 or -1 there. NaN counts as zero. */
function mismatch(w: number, positive: boolean): number {
  if (positive) return w < 0 ? -w : 0;
  if (w < 0) return 0;
  return w > 0 ? w : 2 ** -149;
}

export interface GroupFiltersAttributes {
  /** Of the codebook loss, which only the gradient knows (codeword-gradient.ts). @default 0 */
  readonly pull?: number;
  /** Along which axis the scale of the levels varies. @default one scale */
  readonly scaleAxis?: 'last';
}

/** filter [KH, KW, C, K], ids i32 [n] -> levels u8 (bipolar) of the filter's shape, index i16 [C, K] */
export const groupFilters = defineOp({
  name: 'group-filters',
  inputs: ['filter', 'ids'],
  outputs: ['levels', 'index'],
  infer([filter, ids]: InputTypes, { scaleAxis }: GroupFiltersAttributes) {
    requireIds(ids!, 2 ** codewordLength(filter!));
    return [
      quantized(filter!.shape, { kind: 'bipolar', max: 1, step: 1, ...(scaleAxis && { scaleAxis }) }),
      integer(filter!.shape.slice(2), sizeOf(ids!.shape) - 1, { dtype: 'i16' }),
    ];
  },
  params: { filters: 'i32', length: 'i32', codewords: 'i32' },
  pack: ([filter, ids]) => ({
    filters: filtersOf(filter!),
    length: codewordLength(filter!),
    codewords: sizeOf(ids!.shape),
  }),
  reference({ filter, ids, levels, index }, p) {
    const half = Math.ceil(p.length / 2);
    const cost = (f: number, id: number, first: number, end: number): number => {
      let sum = 0;
      for (let t = first; t < end; t++) {
        sum = Math.fround(sum + mismatch(filter![t * p.filters + f]!, isPositive(id, t, p.length)));
      }
      return sum;
    };
    for (let f = 0; f < p.filters; f++) {
      let nearest = 0;
      let least = Number.POSITIVE_INFINITY;
      for (let j = 0; j < p.codewords; j++) {
        const sum = Math.fround(cost(f, ids![j]!, 0, half) + cost(f, ids![j]!, half, p.length));
        if (sum < least) [nearest, least] = [j, sum];
      }
      index![f] = nearest;
      for (let t = 0; t < p.length; t++) levels![t * p.filters + f] = isPositive(ids![nearest]!, t, p.length) ? 1 : 0;
    }
  },
});

/** The clipped straight-through estimator: dFilter = dLevels where |filter| <= 1, else 0. dLevels is that of real numbers. */
export const groupFiltersGradient = defineOp({
  name: 'group-filters-gradient',
  inputs: ['filter', 'dLevels'],
  outputs: ['dFilter'],
  infer([filter, dLevels]: InputTypes, _: Record<string, never>) {
    requireSameShape([filter, dLevels]);
    return [filter!];
  },
  params: { count: 'i32' },
  pack: ([filter]) => ({ count: sizeOf(filter!.shape) }),
  reference({ filter, dLevels, dFilter }, p) {
    for (let i = 0; i < p.count; i++) dFilter![i] = Math.abs(filter![i]!) <= 1 ? dLevels![i]! : 0;
  },
});
