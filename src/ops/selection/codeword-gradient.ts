/**
 * The gradient of the codewords and of the plan (papers 2.4): g(u_j) is the sum over the filters of position j, and
 * g(P) = [B^T g(U), 0], of which the columns that are not zero are kept.
 *
 * Sums are in double, so many filters at a time; the partial sums are added in order and rounded once.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, real } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { isPositive } from '../codewords.js';
import { codewordLength, filtersOf, largestCodebook } from './codebook.js';

/** Filters of a partial sum; kFiltersPerChunk in codeword-gradient.cc. */
const filtersPerChunk = 16384;

/** dy [KH, KW, C, K], index i16 [C, K] -> dCodewords [n, KH * KW] */
export const codewordGradient = defineOp({
  name: 'codeword-gradient',
  inputs: ['dy', 'index'],
  outputs: ['dCodewords'],
  infer([dy, index]: InputTypes, { codewords }: { readonly codewords: number }) {
    const length = codewordLength(dy!);
    if (index!.dtype !== 'i16' || index!.shape.join() !== dy!.shape.slice(2).join()) {
      throw new SubbitError(`the index ${describe(index!)} does not fit ${describe(dy!)}`);
    }
    if (!(Number.isInteger(codewords) && codewords >= 1 && codewords <= 2 ** length)) {
      throw new SubbitError(`codewords must be an integer in 1..${2 ** length}, not ${codewords}`);
    }
    return [real([codewords, length])];
  },
  params: { filters: 'i32', length: 'i32', codewords: 'i32' },
  pack: ([dy], { codewords }) => ({ filters: filtersOf(dy!), length: codewordLength(dy!), codewords }),
  reference({ dy, index, dCodewords }, p) {
    for (let t = 0; t < p.length; t++) {
      const sums = new Float64Array(p.codewords);
      for (let first = 0; first < p.filters; first += filtersPerChunk) {
        const partial = new Float64Array(p.codewords);
        for (let f = first; f < Math.min(first + filtersPerChunk, p.filters); f++) {
          partial[index![f]!]! += dy![t * p.filters + f]!;
        }
        for (const [j, sum] of partial.entries()) sums[j]! += sum;
      }
      for (const [j, sum] of sums.entries()) dCodewords![j * p.length + t] = sum;
    }
  },
});

/** dCodewords [n, length] -> dPlan [N, n]: the product of codeword i with the gradient of position j. */
export const planGradient = defineOp({
  name: 'plan-gradient',
  inputs: ['dCodewords'],
  outputs: ['dPlan'],
  infer([dCodewords]: InputTypes, _: Record<string, never>) {
    const [codewords = 0, length = 0] = dCodewords!.shape;
    const size = 2 ** length;
    if (dCodewords!.dtype !== 'f32' || dCodewords!.shape.length !== 2 || size > largestCodebook || codewords > size) {
      throw new SubbitError(
        `needs the gradient of at most 2^length codewords [n, length], length at most 9, not ${describe(dCodewords!)}`,
      );
    }
    return [real([size, codewords])];
  },
  params: { codewords: 'i32', length: 'i32' },
  pack: ([dCodewords]) => ({ codewords: dCodewords!.shape[0]!, length: dCodewords!.shape[1]! }),
  reference({ dCodewords, dPlan }, p) {
    for (let id = 0; id < 2 ** p.length; id++) {
      for (let j = 0; j < p.codewords; j++) {
        let sum = 0;
        for (let t = 0; t < p.length; t++) {
          sum += isPositive(id, t, p.length) ? dCodewords![j * p.length + t]! : -dCodewords![j * p.length + t]!;
        }
        dPlan![id * p.codewords + j] = sum;
      }
    }
  },
});
