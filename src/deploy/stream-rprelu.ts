/**
 * RPReLU (ops/rprelu) of an integer residual stream, as a sum of rescalings of it, each clamped to one side of 0:
 *
 *     f(x) = beta (x - gamma) + zeta                 line, not clamped
 *          + max(0, (1 - beta) (x - gamma))          rise, of the channels whose slope beta is below 1
 *          + min(0, (1 - beta) (x - gamma))          fall, of those whose slope is above 1
 *
 * Below gamma rise and fall are 0, above it they make up for what the slope beta lacks. No other op is needed, and where no slope is
 * above 1, as training usually leaves them, two rescalings and one addition do.
 *
 * A rescaling with the factor s of a stream of at most `bound` errs by half a step where it rounds the product, by half a step where
 * its bias was rounded, and by bound * |s - m / 2^shift|, its multiplier having 16 bits. A clamp makes no error larger.
 */
import { multiplierOf } from '../ops/integer/rescale.js';
import type { Affine } from './affine.js';

export interface RpreluPart extends Affine {
  readonly name: 'line' | 'rise' | 'fall';
}

/** The parts that some channel has. Arrays have one number per channel; slopes are real units per real unit. */
export function rpreluParts(
  gamma: ArrayLike<number>,
  beta: ArrayLike<number>,
  zeta: ArrayLike<number>,
): readonly RpreluPart[] {
  const partOf = (name: RpreluPart['name'], slopeOf: (beta: number) => number): RpreluPart => {
    const slope = Array.from(beta, slopeOf);
    const intercept = slope.map((each, c) => (name === 'line' ? zeta[c]! : 0) - each * gamma[c]!);
    return { name, slope, intercept };
  };
  const kinks = [
    partOf('rise', (slope) => Math.max(0, 1 - slope)),
    partOf('fall', (slope) => Math.min(0, 1 - slope)),
  ].filter(({ slope }) => slope.some((each) => each !== 0));
  return [partOf('line', (slope) => slope), ...kinks];
}

/** How far the sum of the rounded parts can be from f, in real units, on a stream of at most `bound` in steps of `step`. */
export function rpreluError(parts: readonly RpreluPart[], { bound, step }: { bound: number; step: number }): number {
  const errorOf = (slope: number): number => {
    const { multiplier, shift } = multiplierOf(slope);
    return step + bound * Math.abs(slope - multiplier / 2 ** shift);
  };
  return parts.reduce((sum, { slope }) => sum + Math.max(...slope.map(errorOf)), 0);
}
