import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packBits, packedBits, packedBytes, unpackBits } from './bit-packing.js';

test('lays bits out as documented', () => {
  expect([...packBits([1, 0, 1, 1, 0, 0, 0, 1, 1], 1)]).toEqual([0b10001101, 1]);
  expect([...packBits([1, 2, 3, 0, 2], 2)]).toEqual([0b00111001, 2]);
  // Three bits each: 101 011 11|1 001.
  expect([...packBits([5, 3, 7, 1], 3)]).toEqual([0b11011101, 0b00000011]);
  expect([...packBits([200, 7], 8)]).toEqual([200, 7]);
  expect([...packBits([], 3)]).toEqual([]);
});

test('gives back what was packed, at every number of bits', () => {
  const anything = fc
    .integer({ min: 1, max: 16 })
    .chain((bits) => fc.tuple(fc.constant(bits), fc.array(fc.integer({ min: 0, max: 2 ** bits - 1 }))));
  fc.assert(
    fc.property(anything, ([bits, levels]) => {
      const packed = packBits(levels, bits);
      expect(packed.length).toBe(packedBytes(levels.length, bits));
      expect([...unpackBits(packed, new Uint16Array(levels.length), bits)!]).toEqual(levels);
    }),
  );
});

test('sees bits behind the last level', () => {
  expect(unpackBits(Uint8Array.of(0b1000), new Uint8Array(3), 1)).toBeUndefined();
  expect(unpackBits(Uint8Array.of(0b111), new Uint8Array(3), 1)).toEqual(Uint8Array.of(1, 1, 1));
});

test('packs powers of two at their bits, and other level counts as bytes', () => {
  const bits = [1, 2, 3, 7, 15, 100, 127, 254, 255].map((max) => packedBits({ kind: 'levels', max, step: 1 }));
  expect(bits).toEqual([1, 8, 2, 3, 4, 8, 7, 8, 8]);
});
