/** Residual streams: y = a + the real numbers of integers b, which are read once and never written as floats. */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { add, requireReal } from '../elementwise/elementwise.js';
import { realNumbers, requireScaled, scaledOf } from '../elementwise/scaled.js';

export const addDequantized = defineOp({
  name: 'add-dequantized',
  inputs: ['a', 'b', 'bScale?'],
  outputs: ['y'],
  infer([a, b, bScale]: InputTypes, _: Record<string, never>) {
    requireReal(a!);
    requireScaled('b', [b, bScale]);
    if (b!.shape.join() !== a!.shape.join())
      throw new SubbitError(`needs tensors of one shape, not ${describe(a!)} and ${describe(b!)}`);
    return [a!];
  },
  params: { samples: 'i32', elements: 'i32', bKind: 'i32', bStep: 'f32', bScaleCount: 'i32' },
  pack([a, b, bScale]) {
    const scaled = scaledOf(b!, bScale);
    const samples = a!.shape[0]!;
    return {
      samples,
      elements: sizeOf(a!.shape) / samples,
      bKind: scaled.kind,
      bStep: scaled.step,
      bScaleCount: scaled.scaleCount,
    };
  },
  reference({ a, b, bScale, y }, p) {
    const scaled = { kind: p.bKind, step: p.bStep, scaleCount: p.bScaleCount };
    const real = realNumbers(b!, bScale, scaled, p.samples);
    add.reference({ a: a!, b: real, y: y! }, { count: a!.length });
  },
});
