/** Lines in place of thresholds: the same levels everywhere, or none. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { levelOf } from '../integer/threshold.js';
import { roundHalfEven } from '../quantize/rounding.js';
import { guidedThresholds, linearFit } from './linear-fit.js';
import { lineAt } from './packed-conv2d.js';

/** Thresholds of round(slope * acc + intercept), clamped, that lie within the bound; one channel. */
function thresholdsOf(slope: number, intercept: number, levels: number, bound: number): Int32Array {
  return Int32Array.from({ length: levels }, (_, j) => {
    const step = Math.ceil((j + 0.5 - intercept) / slope);
    return Math.max(-bound - 1, Math.min(bound + 1, step));
  });
}

const everyAccumulator = (bound: number): number[] => Array.from({ length: 2 * bound + 1 }, (_, i) => i - bound);

describe('linearFit', () => {
  test('gives the levels of every accumulator, where it finds a line', () => {
    let found = 0;
    fc.assert(
      fc.property(
        fc.double({ min: 0.02, max: 6, noNaN: true }),
        fc.double({ min: -20, max: 280, noNaN: true }),
        fc.constantFrom(7, 15, 255),
        (slope, intercept, levels) => {
          const up = thresholdsOf(slope, intercept, levels, 600);
          const fit = linearFit(up, 1, 600);
          if (fit === undefined) return;
          found++;
          for (const acc of everyAccumulator(600)) {
            const level = roundHalfEven(lineAt(acc, fit[0]!, fit[1]!), levels);
            expect(level).toBe(levelOf(acc, up, undefined, 0, 1, levels));
          }
        },
      ),
    );
    expect(found).toBeGreaterThan(20);
  });

  test('finds the line of few accumulators and many levels', () => {
    expect(linearFit(thresholdsOf(4.3, 11.7, 255, 600), 1, 600)).toBeDefined();
  });

  test('leaves few levels and uneven thresholds alone', () => {
    expect(linearFit(Int32Array.of(-5, 0, 5), 1, 100)).toBeUndefined();
    expect(linearFit(Int32Array.of(-50, -10, 0, 70, 71), 1, 100)).toBeUndefined();
  });
});

describe('guidedThresholds', () => {
  test('guess and one comparison give the levels of every accumulator', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.02, max: 0.8, noNaN: true }),
        fc.double({ min: -100, max: 300, noNaN: true }),
        fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 63, maxLength: 63 }),
        (slope, intercept, jitter) => {
          const up = thresholdsOf(slope, intercept, 63, 2000).map((step, j) => step + jitter[j]!);
          up.sort();
          const guided = guidedThresholds(up, 1, 2000);
          if (guided === undefined) return;
          const [line] = [new Float32Array(guided.buffer, 0, 2)];
          for (const acc of everyAccumulator(2000)) {
            const guess = Math.floor(Math.min(Math.max(lineAt(acc, line![0]!, line![1]!), 0), 62));
            expect(guess + (acc >= up[guess]! ? 1 : 0)).toBe(levelOf(acc, up, undefined, 0, 1, 63));
          }
        },
      ),
    );
  });

  test('refuses thresholds that a line does not guess', () => {
    const up = Int32Array.from({ length: 32 }, (_, j) => j * j * j);
    expect(guidedThresholds(up, 1, 40_000)).toBeUndefined();
  });
});
