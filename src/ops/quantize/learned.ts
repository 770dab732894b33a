/**
 * Quantizers whose scale is learned: PACT (papers 3.5) and LSQ (papers 3.7). With the scale s and integers from low to high,
 *
 *     v = x / s       integer = round(v), clamped to low .. high       real number = s * integer
 *
 * and the gradient dy of the real number goes to x where v is inside, and to s, summed over all elements, as
 *
 *                   v below low     inside           v above high     s
 *     'clipped'     -               0                high * dy        the clip divided by high, low = 0: PACT
 *     'rounded'     low * dy        (round v - v) dy high * dy        the step: LSQ
 *
 * Inside is low < v < high; a clip counts v = low too, as PACT has it.
 *
 * The sum is multiplied by `factor`, since what is trained is not s itself: LSQ's gradient scale g, and 1 / high for PACT, whose
 * parameter is the clip. `learned-scale` makes s of the parameter: divided, and never below 2^-20 / divisor, because a parameter
 * may be stepped past 0, where neither paper says what it means. Then almost everything lies above the levels; the gradient goes on
 * to the parameter as it is, so that it can come back.
 *
 * A step that is still 0 is set by `begin-scale` from the first batch of numbers that it is to quantize: 2 mean|x| / sqrt(high), as LSQ
 * begins. From then on it is a parameter like all others, in checkpoints too, so what is resumed does not begin again.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, quantized, real, sizeOf, type TensorType } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { requireReal, requireSameShape } from '../elementwise/elementwise.js';
import { roundHalfEven } from './rounding.js';

/** kLeastParameter in learned.cc */
export const leastParameter = 2 ** -20;

function requireScalar(what: string, type: TensorType): void {
  if (type.dtype !== 'f32' || sizeOf(type.shape) !== 1)
    throw new SubbitError(`${what} must be one number, not ${describe(type)}`);
}

/** Sets a scale that is 0. */
export const beginScale = defineOp({
  name: 'begin-scale',
  inputs: ['scale', 'x'],
  outputs: [],
  mutates: ['scale'],
  infer([scale, x]: InputTypes, _: { readonly high: number }) {
    requireScalar('a scale', scale!);
    requireReal(x!);
    return [];
  },
  params: { count: 'i32', factor: 'f32' },
  pack: ([, x], { high }) => ({ count: sizeOf(x!.shape), factor: Math.fround(2 / Math.sqrt(high)) }),
  reference({ scale, x }, p) {
    if (scale![0] !== 0) return;
    let sum = 0;
    for (let i = 0; i < p.count; i++) sum += Math.abs(x![i]!);
    scale![0] = (sum / p.count) * p.factor;
  },
});

/** parameter [1] -> scale [1], above 0. */
export const learnedScale = defineOp({
  name: 'learned-scale',
  inputs: ['parameter'],
  outputs: ['scale'],
  infer([parameter]: InputTypes, _: { readonly divisor: number }) {
    requireScalar('a learned scale', parameter!);
    return [real([1])];
  },
  params: { divisor: 'f32' },
  pack: (_, { divisor }) => ({ divisor }),
  reference({ parameter, scale }, p) {
    scale![0] = Math.max(parameter![0]!, leastParameter) / p.divisor;
  },
});

export interface QuantizeScaledAttributes {
  /** The smallest integer, 0 or below. */
  readonly low: number;
  readonly high: number;
  /** What of the scale's gradient counts inside. */
  readonly slope: 'clipped' | 'rounded';
  /** Of the scale's gradient. */
  readonly factor: number;
}

/** x, scale [1] -> levels: integer - low. */
export const quantizeScaled = defineOp({
  name: 'quantize-scaled',
  inputs: ['x', 'scale'],
  outputs: ['levels'],
  infer([x, scale]: InputTypes, { low, high }: QuantizeScaledAttributes) {
    requireReal(x!);
    requireScalar('the scale', scale!);
    const zeroPoints = low === 0 ? {} : { zeroPoints: [-low] };
    return [quantized(x!.shape, { kind: 'levels', max: high - low, step: 1, ...zeroPoints })];
  },
  params: { count: 'i32', low: 'i32', high: 'i32' },
  pack: ([x], { low, high }) => ({ count: sizeOf(x!.shape), low, high }),
  reference({ x, scale, levels }, p) {
    const inverse = Math.fround(1 / scale![0]!);
    for (let i = 0; i < p.count; i++) levels![i] = roundHalfEven(Math.fround(x![i]! * inverse), p.high, p.low) - p.low;
  },
});

/** The numbers are the kernels' codes. */
export const slopes = { clipped: 0, rounded: 1 } as const;

/** Whether the gradient of v = x / s goes to x. */
export function isInside(v: number, { low, high, slope }: Omit<QuantizeScaledAttributes, 'factor'>): boolean {
  return (slope === 'rounded' ? v > low : v >= low) && v < high;
}

/** dy is the gradient of the real numbers; dScale [1] that of the parameter. */
export const quantizeScaledGradient = defineOp({
  name: 'quantize-scaled-gradient',
  inputs: ['x', 'scale', 'dy'],
  outputs: ['dx', 'dScale'],
  infer([x, scale, dy]: InputTypes, _: QuantizeScaledAttributes) {
    requireSameShape([x, dy]);
    requireScalar('the scale', scale!);
    return [x!, real([1])];
  },
  params: { count: 'i32', low: 'i32', high: 'i32', slope: 'i32', factor: 'f32' },
  pack: ([x], { low, high, slope, factor }) => ({
    ...{ count: sizeOf(x!.shape), low, high },
    ...{ slope: slopes[slope], factor: Math.fround(factor) },
  }),
  reference({ x, scale, dy, dx, dScale }, p) {
    const inverse = Math.fround(1 / scale![0]!);
    const isRounded = p.slope === slopes.rounded;
    const range = { low: p.low, high: p.high, slope: isRounded ? 'rounded' : 'clipped' } as const;
    let sum = 0;
    for (let i = 0; i < p.count; i++) {
      const v = Math.fround(x![i]! * inverse);
      const passes = isInside(v, range);
      const slope = passes ? (isRounded ? roundHalfEven(v, p.high, p.low) - v : 0) : v >= p.high ? p.high : p.low;
      dx![i] = passes ? dy![i]! : 0;
      sum += dy![i]! * slope;
    }
    dScale![0] = sum * p.factor;
  },
});
