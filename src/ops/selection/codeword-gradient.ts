/**
 * The gradient of the codewords and of the plan (papers 2.4): g(u_j) is the sum over the filters of position j, and
 * g(P) = [B^T g(U), 0], of which the columns that are not zero are kept.
 *
 * With `pull` > 0 it is the gradient of another loss besides, 1/2 sum ||u_j - w||^2 over the filters w of position j: the codebook
 * loss of vector quantization (van den Oord et al. 2017). Codewords have one length, so all that depends on the choice is -<u_j, w>,
 * and the gradient G becomes
 *
 *     G - pull ||G|| / ||S|| S        S_j = sum of the filters of position j, norms over the layer
 *
 * It leads each position to the majority of its filters' signs, as k-means does, and so keeps the noise of the loss's gradient from
 * carrying positions to codewords that no filter is near.
 *
 * Sums are in double, so many filters at a time; the partial sums are added in order, and all is rounded once.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, real, type TypedArray } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { isPositive } from '../codewords.js';
import { requireSameShape } from '../elementwise/elementwise.js';
import { codewordLength, filtersOf, largestCodebook } from './codebook.js';

/** Filters of a partial sum; kFiltersPerChunk in codeword-gradient.cc. */
const filtersPerChunk = 16384;

export interface CodewordGradientAttributes {
  readonly codewords: number;
  /** Of the codebook loss, in units of the loss's gradient. */
  readonly pull: number;
}

/** dy [KH, KW, C, K], index i16 [C, K], filter [KH, KW, C, K] -> dCodewords [n, KH * KW] */
export const codewordGradient = defineOp({
  name: 'codeword-gradient',
  inputs: ['dy', 'index', 'filter'],
  outputs: ['dCodewords'],
  infer([dy, index, filter]: InputTypes, { codewords }: CodewordGradientAttributes) {
    const length = codewordLength(dy!);
    requireSameShape([dy, filter]);
    if (index!.dtype !== 'i16' || index!.shape.join() !== dy!.shape.slice(2).join()) {
      throw new SubbitError(`the index ${describe(index!)} does not fit ${describe(dy!)}`);
    }
    if (!(Number.isInteger(codewords) && codewords >= 1 && codewords <= 2 ** length)) {
      throw new SubbitError(`codewords must be an integer in 1..${2 ** length}, not ${codewords}`);
    }
    return [real([codewords, length])];
  },
  params: { filters: 'i32', length: 'i32', codewords: 'i32', pull: 'f32' },
  pack: ([dy], { codewords, pull }) => ({
    filters: filtersOf(dy!),
    length: codewordLength(dy!),
    codewords,
    pull: Math.fround(pull),
  }),
  reference({ dy, index, filter, dCodewords }, p) {
    /** By element, then by position. */
    const sumsOf = (x: TypedArray): Float64Array => {
      const sums = new Float64Array(p.length * p.codewords);
      for (let t = 0; t < p.length; t++) {
        for (let first = 0; first < p.filters; first += filtersPerChunk) {
          const partial = new Float64Array(p.codewords);
          for (let f = first; f < Math.min(first + filtersPerChunk, p.filters); f++) {
            partial[index![f]!]! += x[t * p.filters + f]!;
          }
          for (const [j, sum] of partial.entries()) sums[t * p.codewords + j]! += sum;
        }
      }
      return sums;
    };
    const squares = (sums: Float64Array): number => sums.reduce((total, sum) => total + sum * sum, 0);
    const gradient = sumsOf(dy!);
    const sums = p.pull === 0 ? new Float64Array(gradient.length) : sumsOf(filter!);
    const power = squares(sums);
    const factor = power > 0 ? p.pull * Math.sqrt(squares(gradient) / power) : 0;
    for (const [i, each] of gradient.entries()) {
      const [t, j] = [Math.floor(i / p.codewords), i % p.codewords];
      dCodewords![j * p.length + t] = each - factor * sums[i]!;
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
