import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Philox } from '../util/philox.js';
import { changeColours, drawColourChange } from './colour.js';

const clamp = (value: number): number => Math.min(255, Math.max(0, value));

describe('changeColours', () => {
  test('is the formula of its head to half a level, and half a 256th of the mean', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 12, maxLength: 60 }),
        fc.constantFrom(1, 3),
        fc.integer({ min: -255, max: 255 }),
        fc.integer({ min: 0, max: 512 }),
        (bytes, channels, brightness, contrast) => {
          const image = bytes.slice(0, bytes.length - (bytes.length % channels));
          const changed = image.slice();
          changeColours(changed, channels, { brightness, contrast });
          for (let c = 0; c < channels; c++) {
            const brighter = [...image].filter((_, i) => i % channels === c).map((byte) => clamp(byte + brightness));
            const mean = brighter.reduce((sum, byte) => sum + byte, 0) / brighter.length;
            for (const [i, byte] of brighter.entries()) {
              const exact = clamp(mean + (contrast / 256) * (byte - mean));
              expect(Math.abs(changed[i * channels + c]! - exact)).toBeLessThanOrEqual(0.5 + 1 / 256);
            }
          }
        },
      ),
    );
  });

  test('changes nothing by 0 and 256, and leaves only the mean at contrast 0', () => {
    const image = Uint8Array.from({ length: 300 }, (_, i) => (i * 37) % 256);
    const changed = image.slice();
    changeColours(changed, 3, { brightness: 0, contrast: 256 });
    expect(changed).toEqual(image);
    changeColours(changed, 3, { brightness: 0, contrast: 0 });
    expect(new Set(changed).size).toBeLessThanOrEqual(3);
  });
});

describe('drawColourChange', () => {
  const draws = Array.from({ length: 4000 }, (_, i) =>
    drawColourChange(new Philox(3, 'augment colour', 1), i, {
      cropPadding: 0,
      flip: false,
      brightness: 2,
      contrast: 0.5,
    }),
  );

  test('draws every brightness equally often, and contrasts of the whole range', () => {
    for (const brightness of [-2, -1, 0, 1, 2])
      expect(draws.filter((draw) => draw.brightness === brightness).length / 4000).toBeCloseTo(0.2, 1);
    const contrasts = draws.map(({ contrast }) => contrast);
    expect(Math.min(...contrasts)).toBe(128);
    expect(Math.max(...contrasts)).toBe(384);
    expect(contrasts.reduce((sum, contrast) => sum + contrast) / 4000 / 256).toBeCloseTo(1, 1);
  });

  test('of no augmentation is no change', () => {
    expect(drawColourChange(new Philox(3, 'x'), 7, { cropPadding: 0, flip: false })).toEqual({
      brightness: 0,
      contrast: 256,
    });
  });
});
