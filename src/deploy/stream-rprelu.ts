/**
 * RPReLU (ops/rprelu) of an integer residual stream, as a sum of rescalings of it, each clamped to one side of 0:
 *
 *     f(x) = min(beta, 1) (x - gamma) + zeta         line, not clamped
 *          + max(0, (1 - beta) (x - gamma))          above gamma, in the channels whose slope beta is below 1
 *          + min(0, (beta - 1) (x - gamma))          below gamma, in those whose slope is above 1
 *
 * No other op is needed, and where no slope is above 1, as training leaves most, two rescalings and one addition do. Static bounds
 * of streams add up, so the parts are chosen to be small: with slopes from 0 to 1 they add up to no more than the stream.
 *
 * A rescaling with the factor s of a stream of at most `bound` errs by half a step where it rounds the product, by half a step where
 * its bias was rounded, and by bound * |s - m / 2^shift|, its multiplier having 16 bits. A clamp makes no error larger.
 */
import { multiplierOf } from '../ops/integer/rescale.js';
import type { Affine } from './affine.js';

export interface RpreluPart extends Affine {
  readonly name: 'line' | 'above' | 'below';
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
    partOf('above', (slope) => Math.max(0, 1 - slope)),
    partOf('below', (slope) => Math.max(0, slope - 1)),
  ].filter(({ slope }) => slope.some((each) => each !== 0));
  return [partOf('line', (slope) => Math.min(slope, 1)), ...kinks];
}

/** How far the sum of the rounded parts can be from f, in real units, on a stream of at most `bound` in steps of `step`. */
export function rpreluError(parts: readonly RpreluPart[], { bound, step }: { bound: number; step: number }): number {
  const errorOf = (slope: number): number => {
    const { multiplier, shift } = multiplierOf(slope);
    return step + bound * Math.abs(slope - multiplier / 2 ** shift);
  };
  return parts.reduce((sum, { slope }) => sum + Math.max(...slope.map(errorOf)), 0);
}
