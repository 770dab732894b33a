/**
 * What is drawn or written in a picture, as grey networks for digits know it: light on dark, without the paper's shade, cut out and
 * brought to the middle of a square. The digits' images were made from scans in the same way.
 */
import { convertImage } from '../image/convert.js';
import type { ImageShape } from '../image/shape.js';

/** Less contrast than this is paper. */
const leastContrast = 40;
/** The part of the strongest ink from which on a pixel counts for the cut. */
const strong = 0.4;

/** The ink of an RGBA picture, in a square of which its longer side is `fill`, 0..1. Undefined for a picture without any. */
export function inkOf(
  rgba: Uint8ClampedArray,
  { height, width }: { readonly height: number; readonly width: number },
  fill: number,
): { readonly data: Uint8Array; readonly shape: ImageShape } | undefined {
  const grey = convertImage(rgba, { height, width, channels: 4 }, { height, width, channels: 1 });
  const border = Array.from(grey.keys()).filter(
    (i) => isBorder(i % width, width) || isBorder(Math.floor(i / width), height),
  );
  const paper = border.map((i) => grey[i]!).sort((a, b) => a - b)[border.length >> 1]!;
  const sign = paper > 127 ? -1 : 1;
  const contrasts = Array.from(grey, (value) => Math.max(0, sign * (value - paper)));
  const strongest = contrasts.reduce((most, contrast) => Math.max(most, contrast), 0);
  if (strongest < leastContrast) return undefined;

  let [left, right, top, bottom] = [width, -1, height, -1];
  for (const [i, contrast] of contrasts.entries()) {
    if (contrast < strong * strongest) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  const [wide, high] = [right - left + 1, bottom - top + 1];
  const side = Math.round(Math.max(wide, high) / fill);
  const data = new Uint8Array(side * side);
  const [dx, dy] = [(side - wide) >> 1, (side - high) >> 1];
  for (let y = 0; y < high; y++)
    for (let x = 0; x < wide; x++)
      data[(y + dy) * side + x + dx] = Math.round((255 * contrasts[(y + top) * width + x + left]!) / strongest);
  return { data, shape: { height: side, width: side, channels: 1 } };
}

function isBorder(at: number, extent: number): boolean {
  return at === 0 || at === extent - 1;
}
