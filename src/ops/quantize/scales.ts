/**
 * The scale of a product that keeps its integers: the operands' scales and steps in one number per sample, rounded as the
 * simulated product rounds it (conv2d.ts), so that both give the same bits.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, real, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { requireReal } from '../elementwise/elementwise.js';

/** y[n] = (a[n] * factor) * b[0] */
export const combineScales = defineOp({
  name: 'combine-scales',
  inputs: ['a', 'b'],
  outputs: ['y'],
  infer([a, b]: InputTypes, _: { readonly factor: number }) {
    requireReal(a!);
    if (b!.dtype !== 'f32' || sizeOf(b!.shape) !== 1) throw new SubbitError(`needs one scale, not ${describe(b!)}`);
    return [real([sizeOf(a!.shape)])];
  },
  params: { count: 'i32', factor: 'f32' },
  pack: ([a], { factor }) => ({ count: sizeOf(a!.shape), factor: Math.fround(factor) }),
  reference({ a, b, y }, p) {
    for (let i = 0; i < p.count; i++) y![i] = Math.fround(a![i]! * p.factor) * b![0]!;
  },
});
