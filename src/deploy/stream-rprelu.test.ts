/** RPReLU as rescalings of integers against its formula: never further off than is stated. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { multiplierOf, rescaled } from '../ops/integer/rescale.js';
import { rpreluError, rpreluParts } from './stream-rprelu.js';

const clamps = { line: [-(2 ** 31), 2 ** 31], above: [0, 2 ** 31], below: [-(2 ** 31), 0] } as const;

/** The integers that the parts of channel 0 sum up to. */
function applied(parts: ReturnType<typeof rpreluParts>, x: number, step: number): number {
  return parts.reduce((sum, { name, slope, intercept }) => {
    const { multiplier, shift } = multiplierOf(slope[0]!);
    const [low, high] = clamps[name];
    return sum + rescaled(x, multiplier, shift, Math.round(intercept[0]! / step), { low, high });
  }, 0);
}

const real = (size: number) => fc.double({ min: -size, max: size, noNaN: true });

test('the sum of the parts is f, but for the stated error', () => {
  let largest = 0;
  fc.assert(
    fc.property(
      real(3),
      real(2),
      real(3),
      fc.integer({ min: -18, max: -4 }),
      real(1),
      (gamma, beta, zeta, exponent, at) => {
        const [bound, step] = [50, 2 ** exponent];
        const parts = rpreluParts([gamma], [beta], [zeta]);
        const integers = [at * bound, gamma, gamma - step, gamma + step, -bound, bound].map((x) =>
          Math.round(x / step),
        );
        const error = rpreluError(parts, { bound: bound + step, step });
        for (const x of integers) {
          const distance = x * step - gamma;
          const expected = (distance > 0 ? distance : beta * distance) + zeta;
          const found = applied(parts, x, step) * step;
          largest = Math.max(largest, Math.abs(found - expected) / error);
          // Doubles round, too.
          expect(Math.abs(found - expected)).toBeLessThanOrEqual(error + 1e-12);
        }
      },
    ),
    { numRuns: 500 },
  );
  // The statement is no larger than it has to be.
  expect(largest).toBeGreaterThan(0.4);
});

test('parts above or below the kink are there only where a slope asks for them', () => {
  const names = (beta: readonly number[]) =>
    rpreluParts(
      beta.map(() => 0.5),
      beta,
      beta,
    ).map(({ name }) => name);
  expect(names([0.25, -1])).toEqual(['line', 'above']);
  expect(names([0.25, 1.5])).toEqual(['line', 'above', 'below']);
  expect(names([1, 2])).toEqual(['line', 'below']);
  expect(names([1, 1])).toEqual(['line']);
});
