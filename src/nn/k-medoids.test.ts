/** Sub-codebooks nearest to filters. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { kMeans, mostFrequent } from '../compact/subsets.js';
import { codewordTaps, isPositive, numCodewords } from '../ops/codewords.js';
import { kMedoids } from './k-medoids.js';

type Filter = readonly [pattern: number, magnitudes: readonly number[]];

function magnitudesOf(filters: readonly Filter[]): Float64Array {
  const sums = new Float64Array(numCodewords * codewordTaps);
  for (const [pattern, magnitudes] of filters)
    for (const [tap, each] of magnitudes.entries()) sums[pattern * codewordTaps + tap]! += each;
  return sums;
}

/** What all patterns lose whose filters go to the nearest codeword together. */
function cost(magnitudes: Float64Array, ids: readonly number[]): number {
  let sum = 0;
  for (let pattern = 0; pattern < numCodewords; pattern++) {
    const costs = ids.map((id) => {
      let differing = 0;
      for (let tap = 0; tap < codewordTaps; tap++) {
        if (isPositive(id, tap) !== isPositive(pattern, tap)) differing += magnitudes[pattern * codewordTaps + tap]!;
      }
      return differing;
    });
    sum += Math.min(...costs);
  }
  return sum;
}

const flat = (pattern: number, magnitude: number): Filter => [pattern, Array(codewordTaps).fill(magnitude)];

const anyFilter: fc.Arbitrary<Filter> = fc.tuple(
  fc.integer({ min: 0, max: numCodewords - 1 }),
  fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: codewordTaps, maxLength: codewordTaps }),
);
const someFilters = fc.array(anyFilter, { minLength: 1, maxLength: 40 });

test('signs that hardly count are given up first', () => {
  // The frequent pattern 0 differs from 1 in the last tap, which is next to nothing there; 511 is rare and large.
  const almostOne: Filter = [0, [1, 1, 1, 1, 1, 1, 1, 1, 0.01]];
  const filters = [almostOne, almostOne, almostOne, flat(1, 0.5), flat(1, 0.5), flat(511, 0.5)];
  expect(kMedoids(magnitudesOf(filters), 2).sort((a, b) => a - b)).toEqual([1, 511]);
});

test('distinct, and no exchange of one codeword lessens the cost', () => {
  fc.assert(
    fc.property(someFilters, fc.integer({ min: 1, max: 5 }), (filters, n) => {
      const magnitudes = magnitudesOf(filters);
      const ids = kMedoids(magnitudes, n);
      expect(new Set(ids).size).toBe(n);
      const reached = cost(magnitudes, ids);
      const tolerance = 1e-6 * magnitudes.reduce((sum, each) => sum + each, 0);
      const others = filters.map(([pattern]) => pattern).filter((id) => !ids.includes(id));
      for (const [position] of ids.entries())
        for (const id of others)
          expect(cost(magnitudes, ids.with(position, id))).toBeGreaterThanOrEqual(reached - tolerance);
    }),
    { numRuns: 12 },
  );
});

test('nearer on the whole than k-means on the signs and than the most frequent patterns', () => {
  const sums = { medoids: 0, means: 0, frequent: 0 };
  fc.assert(
    fc.property(someFilters, fc.integer({ min: 2, max: 6 }), (filters, n) => {
      const magnitudes = magnitudesOf(filters);
      const counts = Array<number>(numCodewords).fill(0);
      for (const [pattern] of filters) counts[pattern]! += 1;
      sums.medoids += cost(magnitudes, kMedoids(magnitudes, n));
      sums.means += cost(magnitudes, kMeans(counts, n));
      sums.frequent += cost(magnitudes, mostFrequent(counts, n));
    }),
    { numRuns: 12 },
  );
  expect(sums.medoids).toBeLessThan(0.95 * sums.means);
  expect(sums.medoids).toBeLessThan(0.95 * sums.frequent);
});

test('all 512, and more codewords than patterns', () => {
  const magnitudes = magnitudesOf([flat(7, 1)]);
  expect(kMedoids(magnitudes, 3)).toContain(7);
  expect(kMedoids(magnitudes, numCodewords).sort((a, b) => a - b)).toEqual(
    Array.from({ length: numCodewords }, (_, id) => id),
  );
});
