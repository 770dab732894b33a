/**
 * The sub-codebook that a renewal has just chosen, as what follows reads it: the ids' own memory, so nothing runs. `source` is
 * what they were chosen by; its gradient is that of the codewords, as if they were made of it (straight through):
 *
 *     a plan [N, N]         g(P) = [B^T g(U), 0]: the permutation's straight-through estimator (papers 2.4)
 *     patterns [n, length]  g(p) = g(U): learned patterns, whose signs the codewords are (papers 2.8)
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { bytesOf, describe, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';

export const selectedCodewords = defineOp({
  name: 'selected-codewords',
  inputs: ['ids', 'source'],
  outputs: ['selected'],
  isAlias: true,
  infer([ids, source]: InputTypes, _: Record<string, never>) {
    const [rows = 0, columns = 0] = source!.shape;
    const count = sizeOf(ids!.shape);
    const isPlan = rows === columns && count <= rows;
    if (source!.dtype !== 'f32' || source!.shape.length !== 2 || !(isPlan || rows === count)) {
      throw new SubbitError(`${describe(source!)} is neither a plan nor the patterns of ${describe(ids!)}`);
    }
    return [ids!];
  },
  params: { bytes: 'i32' },
  pack: ([ids]) => ({ bytes: bytesOf(ids!) }),
  reference({ ids, selected }) {
    selected!.set(ids!);
  },
});
