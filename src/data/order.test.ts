import fc from 'fast-check';
import { expect, test } from 'vitest';
import { epochOrder } from './order.js';

test('an epoch visits every image once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 500 }), fc.nat(), fc.nat(), (count, seed, epoch) => {
      const order = epochOrder(count, { shuffle: true, seed, epoch });
      expect([...order].sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
    }),
  );
});

test('orders differ by epoch and by seed, and repeat', () => {
  const order = (seed: number, epoch: number): string => epochOrder(100, { shuffle: true, seed, epoch }).join();
  expect(order(1, 2)).toBe(order(1, 2));
  expect(new Set([order(1, 2), order(1, 3), order(2, 2), order(2, 3)]).size).toBe(4);
});

test('without shuffling the order is that of the set', () => {
  expect([...epochOrder(4, { shuffle: false, seed: 1, epoch: 5 })]).toEqual([0, 1, 2, 3]);
});
