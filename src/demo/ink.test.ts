import { expect, test } from 'vitest';
import { inkOf } from './ink.js';

/** An RGBA picture of `paper` with a rectangle of `ink`: 3 wide and 6 high, at (10, 2) of 20 x 12. */
function picture(paper: number, ink: number): Uint8ClampedArray {
  const rgba = new Uint8ClampedArray(4 * 20 * 12).fill(paper);
  for (let y = 2; y < 8; y++) for (let x = 10; x < 13; x++) rgba.fill(ink, 4 * (20 * y + x), 4 * (20 * y + x) + 3);
  for (let i = 3; i < rgba.length; i += 4) rgba[i] = 255;
  return rgba;
}
const extents = { height: 12, width: 20 };

test.each([
  [255, 0],
  [200, 90],
  [0, 255],
  [30, 120],
])('ink is cut out, light on dark, in the middle (paper %i, ink %i)', (paper, ink) => {
  const { data, shape } = inkOf(picture(paper, ink), extents, 1)!;
  expect(shape).toEqual({ height: 6, width: 6, channels: 1 });
  expect([...data]).toEqual(Array.from({ length: 36 }, (_, i) => (i % 6 >= 1 && i % 6 < 4 ? 255 : 0)));
});

test('a margin is left around it where the network is used to one', () => {
  const { data, shape } = inkOf(picture(255, 0), extents, 0.5)!;
  expect(shape.height).toBe(12);
  expect(data.indexOf(255)).toBe(3 * 12 + 4);
});

test('there is none on empty paper, or next to none', () => {
  expect(inkOf(picture(255, 255), extents, 1)).toBeUndefined();
  expect(inkOf(picture(140, 120), extents, 1)).toBeUndefined();
});
