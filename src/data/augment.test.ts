import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Philox } from '../util/philox.js';
import { Augmenter, type Change, drawChange, writeChanged } from './augment.js';
import { type Augmentation, newImageSet } from './dataset.js';

const height = 4;
const width = 5;
const channels = 2;
const zeroPoints = [200, 210];
const set = newImageSet(3, { height, width, channels });
for (let i = 0; i < set.images.length; i++) set.images[i] = i;

function changed(index: number, change: Change): number[] {
  const output = new Uint8Array(height * width * channels + 2).fill(255);
  writeChanged(set, index, change, zeroPoints, output, 1);
  expect([output[0], output.at(-1)]).toEqual([255, 255]);
  return [...output.subarray(1, -1)];
}

/** The definition of a Change, pixel by pixel. */
function defined(index: number, { down, right, isMirrored }: Change): number[] {
  const bytes: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const fromY = y + down;
      const fromX = (isMirrored ? width - 1 - x : x) + right;
      const isInside = fromY >= 0 && fromY < height && fromX >= 0 && fromX < width;
      for (let c = 0; c < channels; c++) {
        const at = ((index * height + fromY) * width + fromX) * channels + c;
        bytes.push(isInside ? set.images[at]! : zeroPoints[c]!);
      }
    }
  }
  return bytes;
}

describe('writeChanged', () => {
  test('moves and mirrors as defined, also when nothing of the image is left', () => {
    const shift = fc.integer({ min: -7, max: 7 });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 }),
        fc.record({ down: shift, right: shift, isMirrored: fc.boolean() }),
        (index, change) => {
          expect(changed(index, change)).toEqual(defined(index, change));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('without a change copies the image', () => {
    const unchanged = changed(1, { down: 0, right: 0, isMirrored: false });
    expect(unchanged).toEqual([...set.images.subarray(40, 80)]);
  });
});

describe('drawChange', () => {
  const augmentation = { cropPadding: 2, flip: true };
  const draws = Array.from({ length: 4000 }, (_, i) => drawChange(new Philox(7, 'augment', 3), i, augmentation));

  test('draws every shift and both sides about equally often', () => {
    for (const of of ['down', 'right'] as const) {
      for (const shift of [-2, -1, 0, 1, 2]) {
        const share = draws.filter((change) => change[of] === shift).length / draws.length;
        expect(share, `${of} ${shift}`).toBeGreaterThan(0.17);
        expect(share, `${of} ${shift}`).toBeLessThan(0.23);
      }
    }
    const mirrored = draws.filter((change) => change.isMirrored).length / draws.length;
    expect(Math.abs(mirrored - 0.5)).toBeLessThan(0.04);
  });

  test("depends on the image's index, not on what was drawn before", () => {
    const random = new Philox(7, 'augment', 3);
    for (const i of [3999, 0, 17, 16, 17]) expect(drawChange(random, i, augmentation)).toEqual(draws[i]);
  });

  test('of no augmentation is no change', () => {
    const change = drawChange(new Philox(1, 'augment'), 5, { cropPadding: 0, flip: false });
    expect(change).toEqual({ down: 0, right: 0, isMirrored: false });
  });
});

describe('Augmenter', () => {
  const moved: Augmentation = { cropPadding: 2, flip: true };
  const image = (augmentation: Augmentation, index: number, epoch = 4): number[] => {
    const output = new Uint8Array(height * width * channels);
    new Augmenter(set, { augmentation, seed: 9, zeroPoints }).ofEpoch(epoch)(index, output, 0);
    return [...output];
  };

  test('of no change copies', () => {
    expect(image({ cropPadding: 0, flip: false }, 1)).toEqual([...set.images.subarray(40, 80)]);
  });

  test('moves as before there were other changes', () => {
    const change = drawChange(new Philox(9, 'augment', 4), 2, moved);
    expect(image(moved, 2)).toEqual(defined(2, change));
  });

  test('changes what an image shows first, then its place: padding keeps the zero points', () => {
    const colours = { brightness: 40, contrast: 0.5, resizedCrop: 0.4 };
    const content = image({ cropPadding: 0, flip: false, ...colours }, 2);
    expect(content).not.toEqual([...set.images.subarray(80)]);
    const other = newImageSet(1, set);
    other.images.set(content);
    const expected = new Uint8Array(40);
    writeChanged(other, 0, drawChange(new Philox(9, 'augment', 4), 2, moved), zeroPoints, expected, 0);
    expect(image({ ...moved, ...colours }, 2)).toEqual([...expected]);
  });

  test('depends on the epoch', () => {
    const all = { ...moved, brightness: 40, contrast: 0.5, resizedCrop: 0.4 };
    expect(image(all, 2, 5)).not.toEqual(image(all, 2, 4));
    expect(image(all, 2, 4)).toEqual(image(all, 2, 4));
  });
});
