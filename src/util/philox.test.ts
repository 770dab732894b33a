import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Philox, philox4x32, streamOf } from './philox.js';

function block(counter: readonly number[], key: readonly number[]): string[] {
  const out = new Uint32Array(4);
  philox4x32(out, counter, key);
  return Array.from(out, (word) => word.toString(16).padStart(8, '0'));
}

describe('philox4x32', () => {
  // kat_vectors of Random123 (Salmon et al.), philox 4x32 with 10 rounds.
  test.each([
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [Array(4).fill(0xffffffff), Array(2).fill(0xffffffff), '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ])('gives the published words for counter %j and key %j', (counter, key, expected) => {
    expect(block(counter, key).join(' ')).toBe(expected);
  });

  test('takes its arguments modulo 2^32', () => {
    expect(block([-1, -1, -1, -1], [-1, -1])).toEqual(block(Array(4).fill(0xffffffff), Array(2).fill(0xffffffff)));
  });
});

describe('Philox', () => {
  test('lays out seed, stream, step and position as its head says', () => {
    const random = new Philox(7, 11, 13);
    expect(
      Array.from({ length: 4 }, (_, i) =>
        random
          .word(4 * 5 + i)
          .toString(16)
          .padStart(8, '0'),
      ),
    ).toEqual(block([5, 13, 0, 0], [7, 11]));
  });

  test('a number depends on its position alone, not on what was drawn before', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 33 }), { maxLength: 20 }), (positions) => {
        const random = new Philox(1, 'noise', 2);
        for (const position of positions) expect(random.word(position)).toBe(new Philox(1, 'noise', 2).word(position));
      }),
    );
  });

  test('seed, stream, step and position each change the numbers', () => {
    const words = [
      new Philox(1, 2, 3).word(4),
      new Philox(2, 2, 3).word(4),
      new Philox(1, 3, 3).word(4),
      new Philox(1, 2, 4).word(4),
      new Philox(1, 2, 3).word(5),
      new Philox(1, 2, 3).word(8),
    ];
    expect(new Set(words).size).toBe(words.length);
  });

  test('a stream may be given by name', () => {
    expect(new Philox(1, 'conv1', 2).word(3)).toBe(new Philox(1, streamOf('conv1'), 2).word(3));
  });

  test('uniform numbers are in 0..1, exact in float32, and spread evenly', () => {
    const draws = 100_000;
    const random = new Philox(5, 'uniform');
    const counts = new Int32Array(20);
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < draws; i++) {
      const u = random.next();
      if (!(u >= 0 && u < 1) || Math.fround(u) !== u) expect.fail(`draw ${i} is ${u}`);
      counts[Math.floor(20 * u)]! += 1;
      sum += u;
      squares += u * u;
    }
    // Five deviations of the mean of a uniform number (1/12 its variance), of its square (4/45), of a count (binomial).
    expect(Math.abs(sum / draws - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / draws));
    expect(Math.abs(squares / draws - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / draws));
    for (const count of counts) {
      expect(Math.abs(count - draws / 20)).toBeLessThan(5 * Math.sqrt(draws * 0.05 * 0.95));
    }
  });

  test('normal numbers have mean 0 and variance 1', () => {
    const draws = 50_000;
    const random = new Philox(6, 'normal');
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < draws; i++) {
      const x = random.nextNormal();
      sum += x;
      squares += x * x;
    }
    expect(Math.abs(sum / draws)).toBeLessThan(5 / Math.sqrt(draws));
    expect(Math.abs(squares / draws - 1)).toBeLessThan(5 * Math.sqrt(2 / draws));
  });

  test('integers reach every value below the bound and no other', () => {
    const random = new Philox(7, 'integers');
    const seen = new Set(Array.from({ length: 500 }, () => random.nextInt(7)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  test('shuffling permutes, differently by seed', () => {
    const shuffled = (seed: number): number[] => {
      const items = Array.from({ length: 50 }, (_, i) => i);
      new Philox(seed, 'shuffle').shuffle(items);
      return items;
    };
    expect([...shuffled(1)].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(shuffled(1)).toEqual(shuffled(1));
    expect(shuffled(1)).not.toEqual(shuffled(2));
  });
});

test('streamOf is FNV-1a of the UTF-8 bytes', () => {
  // Published test vectors of FNV-1a, 32 bits.
  expect(streamOf('')).toBe(0x811c9dc5);
  expect(streamOf('a')).toBe(0xe40c292c);
  expect(streamOf('foobar')).toBe(0xbf9cf968);
  expect(streamOf('é')).not.toBe(streamOf('e'));
});
