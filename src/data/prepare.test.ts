import { describe, expect, test } from 'vitest';
import { luminance } from '../image/channels.js';
import { resizeImage } from '../image/resize.js';
import { UsageError } from '../util/errors.js';
import type { Dataset, ImageSet } from './dataset.js';
import { newImageSet } from './dataset.js';
import { prepare, prepareDataset } from './prepare.js';

function someSet(count: number, height: number, width: number, channels: number): ImageSet {
  const set = newImageSet(count, { height, width, channels });
  for (let i = 0; i < set.images.length; i++) set.images[i] = (i * 37 + (i >> 3)) % 256;
  for (let i = 0; i < count; i++) set.labels[i] = i;
  return set;
}

describe('prepare', () => {
  test('gives back a set that already has the shape', () => {
    const set = someSet(3, 4, 5, 1);
    expect(prepare(set, { height: 4, width: 5, channels: 1 })).toBe(set);
  });

  test('resizes each image and keeps the labels', () => {
    const set = someSet(4, 6, 5, 3);
    const prepared = prepare(set, { height: 8, width: 3, channels: 3 });
    expect(prepared).toMatchObject({ count: 4, height: 8, width: 3, channels: 3, labels: set.labels });
    for (let i = 0; i < 4; i++) {
      const image = resizeImage(set.images.slice(i * 90, (i + 1) * 90), set, prepared);
      expect(prepared.images.slice(i * 72, (i + 1) * 72)).toEqual(image);
    }
  });

  test('turns grey into three equal channels, after the resize', () => {
    const set = someSet(3, 4, 4, 1);
    const grey = prepare(set, { height: 7, width: 6, channels: 1 });
    const colour = prepare(set, { height: 7, width: 6, channels: 3 });
    expect([...colour.images]).toEqual([...grey.images].flatMap((byte) => [byte, byte, byte]));
    expect(colour.images.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  test('turns colour into luminance, before the resize', () => {
    const set = someSet(2, 4, 4, 3);
    const grey = prepare(set, { height: 4, width: 4, channels: 1 });
    const [red, green, blue] = set.images as unknown as [number, number, number];
    expect(grey.images[0]).toBe(luminance(red, green, blue));
    const small = prepare(set, { height: 2, width: 3, channels: 1 });
    expect(small.images).toEqual(prepare(grey, { height: 2, width: 3, channels: 1 }).images);
  });

  test.each([
    { height: 0, width: 4, channels: 1 },
    { height: 4, width: 2.5, channels: 1 },
    { height: 4, width: 4, channels: 2 },
    { height: 4, width: 4, channels: 4 },
  ])('refuses $height x $width x $channels', (shape) => {
    expect(() => prepare(someSet(1, 4, 4, 1), shape)).toThrow(UsageError);
  });
});

test('the luminance of a grey pixel is its grey', () => {
  for (let byte = 0; byte < 256; byte++) expect(luminance(byte, byte, byte)).toBe(byte);
  expect([luminance(255, 0, 0), luminance(0, 255, 0), luminance(0, 0, 255)]).toEqual([76, 150, 29]);
});

test('prepareDataset converts both splits and the zero points', () => {
  const dataset: Dataset = {
    name: 'some',
    classes: ['a'],
    train: someSet(2, 4, 4, 3),
    test: someSet(1, 4, 4, 3),
    zeroPoints: [125, 123, 114],
    step: 1 / 63,
    source: 'made up',
    augmentation: { cropPadding: 0, flip: false },
  };
  const grey = prepareDataset(dataset, { height: 3, width: 3, channels: 1 });
  expect(grey.train.images.length).toBe(18);
  expect(grey.test.images.length).toBe(9);
  expect(grey.zeroPoints).toEqual([luminance(125, 123, 114)]);
  expect(prepareDataset(grey, { height: 3, width: 3, channels: 3 }).zeroPoints).toEqual([123, 123, 123]);
});
