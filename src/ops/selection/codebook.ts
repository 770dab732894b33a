/**
 * Words of sparse kernel selection (Sparks, papers 2.2). A *codeword* is one of the N = 2^length sign patterns of a filter's
 * `length` elements (512 of a 3x3 filter); its *id* has one bit per element, row-major, the most significant first, 1 for +1. The
 * *codebook* is all of them, a *sub-codebook* the n that a layer uses: a list of distinct ids. The *index* of a filter is the position
 * of its codeword in that list.
 *
 * Selection (papers 2.3, 2.4) is a matching of codewords to positions, of which the first n make the sub-codebook: N x N logits,
 * row = codeword, column = position.
 *
 *     logits [N, N] -> add-gumbel-noise -> sinkhorn -> plan -> assign -> ids [n]              when the selection is renewed
 *     filter, ids -> group-filters -> levels, index                                           at every step
 *     dLevels, index -> codeword-gradient -> plan-gradient -> sinkhorn-gradient -> dLogits    the way back of a renewal
 *
 * The ids are a variable that `assign` writes to, so that a step without a renewal goes on with the last ones. The way back
 * takes the gradient of the permutation for that of the plan: the permutation's straight-through estimator
 * (selected-codewords.ts).
 */
import { describe, sizeOf, type TensorType } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { numCodewords } from '../codewords.js';

/** Of 3x3 filters. Kernels keep a row of so many numbers on the stack. */
export const largestCodebook = numCodewords;

/** Elements of a filter [height, width, channels, outputs]. Throws where codewords of so many would be too many. */
export function codewordLength(filter: TensorType): number {
  const [height = 0, width = 0] = filter.shape;
  if (filter.dtype !== 'f32' || filter.shape.length !== 4 || 2 ** (height * width) > largestCodebook) {
    throw new SubbitError(
      `codewords are for real filters [height, width, channels, outputs] of at most 9 elements, not ${describe(filter)}`,
    );
  }
  return height * width;
}

/** The number of filters: pairs of an input and an output channel. */
export const filtersOf = ({ shape }: TensorType): number => shape[2]! * shape[3]!;

/** Throws when a tensor is no list of the ids of at most `size` codewords. */
export function requireIds(ids: TensorType, size: number): void {
  const count = sizeOf(ids.shape);
  if (ids.dtype !== 'i32' || ids.shape.length !== 1 || count < 1 || count > size)
    throw new SubbitError(`needs i32[1..${size}] ids of codewords, not ${describe(ids)}`);
}

/** The extent of a square matrix of codewords and positions. */
export function codebookOf(matrix: TensorType): number {
  const [size = 0] = matrix.shape;
  if (matrix.dtype !== 'f32' || matrix.shape.join() !== `${size},${size}` || size < 1 || size > largestCodebook) {
    throw new SubbitError(`needs a real matrix [N, N], N at most ${largestCodebook}, not ${describe(matrix)}`);
  }
  return size;
}
