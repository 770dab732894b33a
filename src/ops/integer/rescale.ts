/**
 * Multiplication of integers by a real factor per channel, as 32-bit integers can do it everywhere (WGSL has no others):
 *
 *     y = clamp(floor((x * multiplier + half) / 2^shift) + bias, low, high)       half = 2^(shift - 1), 0 when shift is 0
 *
 * |multiplier| <= 65535 and 0 <= shift <= 47, so that the product stays below 2^47: two 32-bit halves hold it, and a double
 * does, exactly. Ties are rounded up.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, integer, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { channelsOf } from '../elementwise/elementwise.js';

export const maxMultiplier = 65535;
export const maxShift = 47;

export interface RescaleAttributes {
  /** Integers in -2^31 < low <= high < 2^31. */
  readonly low: number;
  readonly high: number;
  /** Real units per integer of the result. @default 1 */
  readonly step?: number;
}

export const rescale = defineOp({
  name: 'rescale',
  inputs: ['x', 'multiplier', 'shift', 'bias'],
  outputs: ['y'],
  infer([x, ...perChannel]: InputTypes, { low, high, step = 1 }: RescaleAttributes) {
    if (x!.dtype !== 'i32' || x!.shape.length === 0)
      throw new SubbitError(`needs i32 accumulators, not ${describe(x!)}`);
    for (const type of perChannel) {
      if (type!.dtype !== 'i32' || type!.shape.join() !== String(channelsOf(x!.shape)))
        throw new SubbitError(`needs one i32 per channel (${channelsOf(x!.shape)}), not ${describe(type!)}`);
    }
    if (!(Number.isSafeInteger(low) && Number.isSafeInteger(high) && low <= high))
      throw new SubbitError(`the clamp ${low}..${high} must be two integers in rising order`);
    return [integer(x!.shape, Math.max(Math.abs(low), Math.abs(high)), { step })];
  },
  params: { rows: 'i32', channels: 'i32', low: 'i32', high: 'i32' },
  pack: ([x], { low, high }) => ({
    rows: sizeOf(x!.shape) / channelsOf(x!.shape),
    channels: channelsOf(x!.shape),
    low,
    high,
  }),
  reference({ x, multiplier, shift, bias, y }, p) {
    for (let i = 0; i < p.rows * p.channels; i++) {
      const c = i % p.channels;
      y![i] = rescaled(x![i]!, multiplier![c]!, shift![c]!, bias![c]!, p);
    }
  },
});

/** One element. */
export function rescaled(
  x: number,
  multiplier: number,
  shift: number,
  bias: number,
  { low, high }: { readonly low: number; readonly high: number },
): number {
  const half = shift === 0 ? 0 : 2 ** (shift - 1);
  return Math.min(Math.max(Math.floor((x * multiplier + half) / 2 ** shift) + bias, low), high);
}

/** The multiplier and shift closest to `factor`, |factor| < 65536. */
export function multiplierOf(factor: number): { multiplier: number; shift: number } {
  if (!(Math.abs(factor) < maxMultiplier + 0.5))
    throw new SubbitError(`the factor ${factor} is too large to rescale by`);
  let shift = 0;
  while (shift < maxShift && Math.abs(factor) * 2 ** (shift + 1) < maxMultiplier + 0.5) shift++;
  return { multiplier: Math.round(factor * 2 ** shift), shift };
}
