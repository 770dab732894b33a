/** Sub-codebooks from counts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { numCodewords } from '../ops/codewords.js';
import { kMeans, mostFrequent } from './subsets.js';

/** Counts by id from pairs. */
const countsOf = (pairs: readonly (readonly [number, number])[]): number[] => {
  const counts = Array<number>(numCodewords).fill(0);
  for (const [id, count] of pairs) counts[id] = count;
  return counts;
};

const distance = (a: number, b: number): number => (a ^ b).toString(2).replaceAll('0', '').length;

/** The number of signs that differ from the nearest codeword, over all filters. */
const cost = (counts: readonly number[], ids: readonly number[]): number =>
  counts.reduce((sum, count, id) => sum + count * Math.min(...ids.map((each) => distance(each, id))), 0);

test('the most frequent, of equals the lowest', () => {
  expect(
    mostFrequent(
      countsOf([
        [9, 5],
        [3, 7],
        [400, 5],
      ]),
      4,
    ),
  ).toEqual([3, 9, 400, 0]);
});

test('two clusters have their majorities as centres, though the most frequent codewords are both in one', () => {
  const left = [0, 1, 2, 4].map((id) => [id, 10 - id] as const);
  const right = [511, 510, 509].map((id) => [id, 6] as const);
  expect(kMeans(countsOf([...left, ...right]), 2).sort((a, b) => a - b)).toEqual([0, 511]);
});

test('centres are distinct and serve no worse than the most frequent codewords', () => {
  const pair = fc.tuple(fc.integer({ min: 0, max: 511 }), fc.integer({ min: 1, max: 50 }));
  fc.assert(
    fc.property(fc.array(pair, { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 40 }), (pairs, n) => {
      const counts = countsOf(pairs);
      const centres = kMeans(counts, n);
      expect(new Set(centres).size).toBe(n);
      expect(cost(counts, centres)).toBeLessThanOrEqual(cost(counts, mostFrequent(counts, n)));
    }),
    { numRuns: 200 },
  );
});

test('all 512 stay all 512', () => {
  expect(kMeans(countsOf([[3, 1]]), numCodewords).sort((a, b) => a - b)).toEqual(mostFrequent(countsOf([]), 512));
});
