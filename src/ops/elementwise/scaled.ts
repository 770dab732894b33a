/**
 * Real numbers as the ops around integer products take them: float elements, or integers (accumulators, residual streams) with
 * the scale that they still lack, so that nothing has to turn them into floats in memory first.
 *
 *     real(i) = fround(fround(x[i]) * s),   s = step, or fround(scale[0 or sample] * step) where there is a scale
 *
 * which is how the convolutions' references round: an op on the integers gives the bits of the op on their real numbers.
 */
import type { InputTypes } from '../../core/op.js';
import { describe, sizeOf, stepOf, type TensorType, type TypedArray } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';

/** The numbers are the kernels' codes (scaled.h). */
export const elementKinds = { f32: 0, i16: 1, i32: 2 } as const;

/** How to read a scaled operand; an op's params hold these fields under names of their own. */
export interface Scaled {
  readonly kind: number;
  readonly step: number;
  /** None, one for all, or one per sample of the first axis. */
  readonly scaleCount: number;
}

/** Throws unless `type` is real, or integers whose scale (if any) is one number or one per sample. */
export function requireScaled(what: string, [type, scale]: InputTypes): void {
  const isReal = type!.dtype === 'f32';
  if (!isReal && type!.encoding?.kind !== 'integer')
    throw new SubbitError(`${what} must be real or integers, not ${describe(type!)}`);
  if (scale === undefined) return;
  if (isReal) throw new SubbitError(`${what} is real, so it takes no scale`);
  if (scale.dtype !== 'f32' || ![1, type!.shape[0]].includes(sizeOf(scale.shape))) {
    throw new SubbitError(
      `the scale of ${what} must be one number or one per sample (${type!.shape[0]}), not ${describe(scale)}`,
    );
  }
}

export function scaledOf(type: TensorType, scale: TensorType | undefined): Scaled {
  return {
    kind: elementKinds[type.dtype as keyof typeof elementKinds],
    step: Math.fround(stepOf(type)),
    scaleCount: scale === undefined ? 0 : sizeOf(scale.shape),
  };
}

/** The real numbers of an operand with `samples` samples. */
export function realNumbers(
  data: TypedArray,
  scale: TypedArray | undefined,
  { kind, step, scaleCount }: Scaled,
  samples: number,
): TypedArray {
  if (kind === elementKinds.f32) return data;
  const elements = data.length / samples;
  return Float32Array.from(data, (each, i) => {
    const sample = scaleCount === 1 ? 0 : Math.floor(i / elements);
    return Math.fround(each) * (scaleCount === 0 ? step : Math.fround(scale![sample]! * step));
  });
}
