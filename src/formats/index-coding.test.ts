import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Philox } from '../util/philox.js';
import { decodeIndices, encodeIndices } from './index-coding.js';

/** The indices that a stream gives, undefined where it is none of `count` indices. */
function decoded(stream: Uint8Array, count: number, codewords: number): number[] | undefined {
  const indices = new Uint16Array(count);
  return decodeIndices(stream, indices, codewords) ? [...indices] : undefined;
}

const anyIndices = fc
  .integer({ min: 2, max: 512 })
  .chain((codewords) =>
    fc.tuple(fc.constant(codewords), fc.array(fc.integer({ min: 0, max: codewords - 1 }), { maxLength: 2000 })),
  );

describe('coded indices', () => {
  test('come back', () => {
    fc.assert(
      fc.property(anyIndices, ([codewords, indices]) => {
        expect(decoded(encodeIndices(indices, codewords), indices.length, codewords)).toEqual(indices);
      }),
    );
  });

  test('long carries: what is rare behind what is frequent', () => {
    for (const rare of [0, 63]) {
      const indices = Array.from({ length: 50_000 }, (_, i) => (i % 5000 === 4999 ? rare : 63 - rare));
      expect(decoded(encodeIndices(indices, 64), indices.length, 64)).toEqual(indices);
    }
  });

  test('another stream is refused, or gives indices whose stream it is', () => {
    fc.assert(
      fc.property(
        anyIndices,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: -3, max: 3 }),
        ([codewords, indices], flips, longer) => {
          const stream = encodeIndices(indices, codewords);
          const damaged = new Uint8Array(Math.max(0, stream.length + longer));
          damaged.set(stream.subarray(0, damaged.length));
          for (const [at, bits] of flips) if (damaged.length > 0) damaged[at % damaged.length]! ^= bits;
          const found = decoded(damaged, indices.length, codewords);
          if (found === undefined) return;
          expect(found.every((index) => index < codewords)).toBe(true);
          expect(encodeIndices(found, codewords)).toEqual(damaged);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('a byte more and a byte less are refused', () => {
    const indices = Array.from({ length: 300 }, (_, i) => (i * i) % 17);
    const stream = encodeIndices(indices, 17);
    expect(decoded(stream.subarray(0, -1), 300, 17)).toBeUndefined();
    expect(decoded(Uint8Array.of(...stream, 0), 300, 17)).toBeUndefined();
  });

  test('random bytes give an answer in the time of their indices', () => {
    const random = new Philox(1, 'stream');
    for (let i = 0; i < 200; i++) {
      const stream = Uint8Array.from({ length: random.nextInt(300) }, () => random.nextInt(256));
      decoded(stream, 4096, 2 + random.nextInt(511));
    }
  });
});

describe('the length', () => {
  const drawn = (count: number, codewords: number, exponent: number): { indices: number[]; entropy: number } => {
    const random = new Philox(3, 'drawn');
    const weights = Array.from({ length: codewords }, (_, rank) => (rank + 1) ** -exponent);
    const total = weights.reduce((sum, weight) => sum + weight);
    const indices = Array.from({ length: count }, () => {
      let left = random.next() * total;
      const index = weights.findIndex((weight) => {
        left -= weight;
        return left < 0;
      });
      return index < 0 ? codewords - 1 : index;
    });
    const counts = weights.map((_, index) => indices.filter((each) => each === index).length);
    const entropy = counts.reduce((sum, n) => sum - (n > 0 ? n * Math.log2(n / count) : 0), 0);
    return { indices, entropy };
  };

  test.each([
    [64, 0],
    [64, 1],
    [32, 0.7],
    [16, 1],
    [512, 1],
    [37, 0.5],
  ])('of %i codewords, frequency ~ rank^-%d: within the cost of learning of the entropy', (codewords, exponent) => {
    const { indices, entropy } = drawn(4096, codewords, exponent);
    const bits = 8 * encodeIndices(indices, codewords).length;
    // Half a logarithm of its count per decision, most of which are met far less than 4096 times.
    const learning = 0.5 * (codewords - 1) * Math.log2(1 + 4096 / codewords) + 2 * codewords;
    expect(bits).toBeGreaterThan(entropy);
    expect(bits).toBeLessThan(entropy + learning + 32 + 16);
  });

  test('written down: the stream of a few indices', () => {
    expect([...encodeIndices([], 2)]).toEqual([0, 0, 0, 0]);
    // Zero, then one: [0, 1/2) of all, then the upper quarter of it: 3/8.
    expect([...encodeIndices([0, 1], 2)]).toEqual([0x60, 0, 0, 0]);
  });
});
