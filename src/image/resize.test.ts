import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resizeImage, resizeTaps, shiftHalfEven } from './resize.js';

const extent = fc.integer({ min: 1, max: 24 });
const image = fc.record({ height: extent, width: extent, channels: fc.constantFrom(1, 3) }).chain((shape) => {
  const length = shape.height * shape.width * shape.channels;
  return fc.record({ shape: fc.constant(shape), bytes: fc.uint8Array({ minLength: length, maxLength: length }) });
});

/** The file head's formula in real numbers: the weight of input j for output i, before they are scaled to sum to 1. */
function triangle(from: number, to: number, i: number, j: number): number {
  const scale = from / to;
  return Math.max(0, 1 - Math.abs(j - ((i + 0.5) * scale - 0.5)) / Math.max(1, scale));
}

/** The dense matrix [to, from] of an axis, in units of 2^-11. */
function matrix(from: number, to: number): number[][] {
  const { numTaps, starts, weights } = resizeTaps(from, to);
  return Array.from({ length: to }, (_, i) => {
    const row = new Array<number>(from).fill(0);
    for (let t = 0; t < numTaps; t++) row[starts[i]! + t] = weights[i * numTaps + t]!;
    return row;
  });
}

describe('taps', () => {
  test('are triangles whose integer weights sum to 2^11', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 60 }), (from, to) => {
        for (const [i, row] of matrix(from, to).entries()) {
          expect(row.reduce((sum, weight) => sum + weight, 0)).toBe(2048);
          expect(Math.min(...row)).toBeGreaterThanOrEqual(0);
          const real = row.map((_, j) => triangle(from, to, i, j));
          const total = real.reduce((sum, weight) => sum + weight, 0);
          const errors = row.map((weight, j) => Math.abs(weight - (real[j]! / total) * 2048));
          expect(Math.max(...errors)).toBeLessThan(1 + 1e-6);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('of an unchanged axis take each pixel as it is', () => {
    expect(matrix(5, 5)).toEqual(matrix(5, 5).map((row, i) => row.map((_, j) => (i === j ? 2048 : 0))));
  });

  test('of a long axis are exact as well', () => {
    const { numTaps, weights } = resizeTaps(20_000, 3);
    for (let i = 0; i < 3; i++) {
      const row = weights.subarray(i * numTaps, (i + 1) * numTaps);
      expect(row.reduce((sum, weight) => sum + weight, 0)).toBe(2048);
    }
  });
});

test('shiftHalfEven rounds ties to the even neighbour', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 14].map((value) => shiftHalfEven(value, 2))).toEqual([
    0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 4,
  ]);
  expect(shiftHalfEven(255 * 2 ** 22, 22)).toBe(255);
});

describe('resizeImage', () => {
  test('of a constant image is constant', () => {
    fc.assert(
      fc.property(extent, extent, extent, extent, fc.integer({ min: 0, max: 255 }), (height, width, h, w, byte) => {
        const bytes = new Uint8Array(height * width).fill(byte);
        const resized = resizeImage(bytes, { height, width, channels: 1 }, { height: h, width: w });
        expect(resized).toEqual(new Uint8Array(h * w).fill(byte));
      }),
    );
  });

  test('to the same size changes nothing', () => {
    fc.assert(
      fc.property(image, ({ shape, bytes }) => {
        expect(resizeImage(bytes, shape, shape)).toEqual(bytes);
      }),
    );
  });

  test('is the product with both matrices, rounded once, half to even', () => {
    fc.assert(
      fc.property(image, extent, extent, ({ shape, bytes }, height, width) => {
        const { width: w, channels } = shape;
        const down = matrix(shape.height, height);
        const across = matrix(w, width);
        const expected: number[] = [];
        for (const dy of down) {
          for (const dx of across) {
            for (let c = 0; c < channels; c++) {
              let sum = 0n;
              for (const [y, a] of dy.entries()) {
                for (const [x, b] of dx.entries()) sum += BigInt(a * b) * BigInt(bytes[(y * w + x) * channels + c]!);
              }
              const half = 1n << 21n;
              const floor = sum >> 22n;
              const rest = sum - (floor << 22n);
              expected.push(Number(rest > half || (rest === half && floor % 2n === 1n) ? floor + 1n : floor));
            }
          }
        }
        expect([...resizeImage(bytes, shape, { height, width })]).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  // Written by Pillow 13.0, Image.resize((width, height), BILINEAR). Pillow rounds to bytes between its passes.
  test.each([
    {
      from: { height: 4, width: 5 },
      to: { height: 7, width: 3 },
      bytes: [220, 4, 101, 170, 31, 173, 29, 90, 218, 229, 172, 27, 30, 95, 19, 112, 121, 108, 253, 16],
      pillow: [127, 95, 91, 121, 99, 139, 112, 104, 215, 111, 75, 138, 110, 51, 57, 114, 108, 94, 116, 143, 118],
    },
    {
      from: { height: 3, width: 4 },
      to: { height: 3, width: 9 },
      bytes: [220, 4, 101, 170, 31, 173, 29, 90, 218, 229, 172, 27],
      pillow: [
        220, 184, 88, 9, 53, 96, 128, 158, 170, 31, 55, 118, 165, 101, 37, 53, 80, 90, 218, 220, 225, 226, 201, 175,
        116, 51, 27,
      ],
    },
    {
      from: { height: 9, width: 7 },
      to: { height: 4, width: 3 },
      bytes: [
        220, 4, 101, 170, 31, 173, 29, 90, 218, 229, 172, 27, 30, 95, 19, 112, 121, 108, 253, 16, 255, 25, 175, 96, 29,
        4, 172, 180, 29, 2, 43, 70, 120, 115, 58, 242, 223, 95, 174, 183, 8, 89, 209, 238, 57, 16, 203, 72, 149, 181,
        204, 137, 41, 17, 255, 6, 182, 98, 46, 223, 60, 249, 53,
      ],
      pillow: [129, 132, 87, 87, 91, 125, 155, 109, 98, 159, 102, 127],
    },
  ])('is within 1 of Pillow: $from.height x $from.width to $to.height x $to.width', ({ from, to, bytes, pillow }) => {
    const resized = resizeImage(Uint8Array.from(bytes), { ...from, channels: 1 }, to);
    const largest = Math.max(...pillow.map((byte, i) => Math.abs(byte - resized[i]!)));
    expect(largest).toBeLessThanOrEqual(1);
  });
});
