import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codewordIds, numCodewords } from '../ops/codewords.js';
import { patternStatistics, signsOf } from './pattern-statistics.js';

describe('codewords', () => {
  test('TV-7: row by row, most significant bit first, sign(0) = +1', () => {
    const w = [0.2, 0.5, -0.1, -0.3, 0.8, 0.1, -0.4, 0.6, -0.2];
    expect([...codewordIds(w, [3, 3, 1, 1])]).toEqual([410]);
    expect([...codewordIds(Array(9).fill(-0), [3, 3, 1, 1])]).toEqual([511]);
  });

  test('filters lie along the last two axes', () => {
    const filter = new Float32Array(9 * 2 * 3).fill(-1);
    // Input channel 1, output channel 2: only the centre is positive.
    filter[4 * 6 + 1 * 3 + 2] = 1;
    expect([...codewordIds(filter, [3, 3, 2, 3])]).toEqual([0, 0, 0, 0, 0, 16]);
  });

  test('signs give the id back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: numCodewords - 1 }), (id) => {
        expect([...codewordIds(signsOf(id), [3, 3, 1, 1])]).toEqual([id]);
      }),
    );
  });

  test('other filters are refused', () => {
    expect(() => codewordIds([1], [1, 1, 1, 1])).toThrow(/3x3 filters, not of \[1, 1, 1, 1\]/);
  });
});

describe('statistics', () => {
  test('all codewords alike: one bit per weight, a flat law, coverage n / 512', () => {
    const found = patternStatistics(Array.from({ length: 2 * numCodewords }, (_, i) => i % numCodewords));
    expect(found.entropyBitsPerWeight).toBeCloseTo(1, 12);
    expect(found.powerLaw).toEqual({ exponent: 0, amplitude: 2, r2: 1 });
    expect(found.coverage[63]).toBeCloseTo(64 / 512, 12);
    expect(found.ranking[0]).toBe(0);
  });

  test('one codeword: no bits, no law, full coverage', () => {
    const found = patternStatistics([7, 7, 7]);
    expect(found).toMatchObject({ filters: 3, ranking: [7], entropyBitsPerWeight: 0 });
    expect(found.powerLaw).toBeUndefined();
    expect(found.coverage[0]).toBe(1);
  });

  test('a power law is found again', () => {
    const ids = Array.from({ length: 100 }, (_, i) => Array(Math.round(1e5 * (i + 1) ** -1.5)).fill(i)).flat();
    const { powerLaw, ranking } = patternStatistics(ids);
    expect(ranking.slice(0, 3)).toEqual([0, 1, 2]);
    expect(powerLaw!.exponent).toBeCloseTo(1.5, 2);
    expect(powerLaw!.r2).toBeGreaterThan(0.9999);
  });
});
