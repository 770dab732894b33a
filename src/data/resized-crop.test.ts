import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resizeImage } from '../image/resize.js';
import { Philox } from '../util/philox.js';
import { newImageSet } from './dataset.js';
import { Cutter, drawCut } from './resized-crop.js';

describe('drawCut', () => {
  test('lies in the image, has its area and a ratio in bounds', () => {
    fc.assert(
      fc.property(
        fc.record({ height: fc.integer({ min: 1, max: 60 }), width: fc.integer({ min: 1, max: 60 }) }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.nat(1000),
        (size, share, index) => {
          const { top, left, height, width } = drawCut(new Philox(5, 'augment cut'), index, share, size);
          expect(Math.min(top, left)).toBeGreaterThanOrEqual(0);
          expect(Math.min(height, width)).toBeGreaterThanOrEqual(1);
          expect(top + height).toBeLessThanOrEqual(size.height);
          expect(left + width).toBeLessThanOrEqual(size.width);
          // Each side is rounded by up to half a pixel.
          expect((height + 0.5) * (width + 0.5)).toBeGreaterThanOrEqual(share * size.height * size.width * (1 - 1e-9));
          // One pixel is the least, whatever the ratio.
          if (Math.min(height, width) === 1) return;
          const ratio = (width - 0.5) / size.width / ((height + 0.5) / size.height);
          expect(ratio).toBeLessThanOrEqual(4 / 3 + 1e-9);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('at share 1 is the whole image', () => {
    const cut = drawCut(new Philox(5, 'augment cut'), 3, 1, { height: 32, width: 20 });
    expect(cut).toEqual({ top: 0, left: 0, height: 32, width: 20 });
  });

  test('reaches small and large parts, each side, and squeezes as often as it stretches', () => {
    const cuts = Array.from({ length: 2000 }, (_, i) =>
      drawCut(new Philox(6, 'augment cut'), i, 0.1, { height: 100, width: 100 }),
    );
    const areas = cuts.map(({ height, width }) => (height * width) / 1e4);
    expect(Math.min(...areas)).toBeLessThan(0.12);
    expect(Math.max(...areas)).toBeGreaterThan(0.95);
    expect(cuts.filter(({ height, width }) => height > width).length / 2000).toBeCloseTo(0.5, 1);
    expect(cuts.some(({ top, height }) => top + height === 100 && top > 0)).toBe(true);
  });
});

test('a cut is the part, resized', () => {
  const set = newImageSet(2, { height: 9, width: 7, channels: 3 });
  for (let i = 0; i < set.images.length; i++) set.images[i] = (i * 29) % 256;
  const cutter = new Cutter(set);
  for (const cut of [
    { top: 2, left: 1, height: 5, width: 6 },
    { top: 0, left: 0, height: 9, width: 7 },
    { top: 8, left: 6, height: 1, width: 1 },
  ]) {
    const output = new Uint8Array(9 * 7 * 3);
    cutter.write(1, cut, output);
    const part: number[] = [];
    for (let y = 0; y < cut.height; y++) {
      const from = 189 + ((cut.top + y) * 7 + cut.left) * 3;
      part.push(...set.images.subarray(from, from + cut.width * 3));
    }
    const shape = { height: cut.height, width: cut.width, channels: 3 };
    expect(output).toEqual(resizeImage(Uint8Array.from(part), shape, set));
  }
});
