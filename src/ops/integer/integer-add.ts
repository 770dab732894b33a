/** The sum of two i32 tensors of one shape: a residual block's end. Its static bound must be below 2^31. */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, integer, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';

export const integerAdd = defineOp({
  name: 'integer-add',
  inputs: ['a', 'b'],
  outputs: ['y'],
  infer([a, b]: InputTypes, _: Record<string, never>) {
    const isStream = (type: typeof a): boolean => type!.dtype === 'i32' && type!.encoding !== undefined;
    if (!isStream(a) || !isStream(b) || a!.shape.join() !== b!.shape.join())
      throw new SubbitError(`needs two i32 tensors of one shape, not ${describe(a!)} and ${describe(b!)}`);
    return [integer(a!.shape, a!.encoding!.max + b!.encoding!.max, { step: a!.encoding!.step })];
  },
  params: { count: 'i32' },
  pack: ([a]) => ({ count: sizeOf(a!.shape) }),
  reference({ a, b, y }, p) {
    for (let i = 0; i < p.count; i++) y![i] = a![i]! + b![i]!;
  },
});
