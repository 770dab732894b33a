import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { FormatError, UsageError } from '../util/errors.js';
import { openData } from './index.js';
import { compressed, matArray, matFile } from './mat-example.js';
import { svhn } from './svhn.js';

const folder = mkdtempSync(join(tmpdir(), 'subbit-svhn-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Byte of image i at row y, column x, channel c. */
const pixel = (i: number, y: number, x: number, c: number): number => (i * 50 + y * 7 + x * 3 + c * 11) % 256;

function digitsFile(labels: readonly number[], change: { X?: object; y?: object } = {}): Buffer {
  const count = labels.length;
  const data = new Uint8Array(count * 3072);
  let at = 0;
  for (let i = 0; i < count; i++)
    for (let c = 0; c < 3; c++)
      for (let x = 0; x < 32; x++) for (let y = 0; y < 32; y++) data[at++] = pixel(i, y, x, c);
  const X = { name: 'X', shape: [32, 32, 3, count], type: 2, data, ...change.X };
  const y = { name: 'y', shape: [count, 1], type: 2, data: Uint8Array.from(labels), ...change.y };
  return matFile([X, y].map(matArray).map(compressed));
}

const labels = { train: [1, 2, 10], test: [10, 9], extra: [5] };
beforeEach(() => {
  for (const [split, own] of Object.entries(labels)) writeFileSync(join(folder, `${split}_32x32.mat`), digitsFile(own));
});

test('pixels and labels come out right, 0 for 10', async () => {
  const { train, test: held, classes } = await openData(folder);
  expect(train).toMatchObject({ count: 3, height: 32, width: 32, channels: 3 });
  expect([...train.labels]).toEqual([1, 2, 0]);
  expect([...held.labels]).toEqual([0, 9]);
  expect(classes[0]).toBe('0');
  for (const [i, y, x, c] of [
    [0, 0, 0, 0],
    [2, 31, 5, 2],
    [1, 3, 30, 1],
  ] as const)
    expect(train.images[((i * 32 + y) * 32 + x) * 3 + c]).toBe(pixel(i, y, x, c));
});

test('extra joins on request', async () => {
  const { train, test: held } = await openData(`${folder}:extra`);
  expect([...train.labels]).toEqual([1, 2, 0, 5]);
  expect(train.images[3 * 3072]).toBe(pixel(0, 0, 0, 0));
  expect(held.count).toBe(2);
});

test('a single file is split, the same way every time', async () => {
  const file = join(folder, 'some.mat');
  writeFileSync(file, digitsFile([1, 1, 1, 1, 2, 2, 2, 2, 10, 10]));
  const { train, test: held } = await openData(`${file}:test=0.25`);
  expect([train.count, held.count]).toEqual([7, 3]);
  expect([...held.labels]).toEqual([1, 2, 0]);
  expect((await openData(`${file}:test=0.25`)).test.images).toEqual(held.images);
  await expect(openData(`${file}:test=2`)).rejects.toThrow(UsageError);
});

describe('a damaged file is refused:', () => {
  const file = join(folder, 'train_32x32.mat');
  test.each([
    [
      'images of another size',
      digitsFile([1], { X: { shape: [32, 32, 1, 3] } }),
      /expected bytes of \[32, 32, 3, count\]/,
    ],
    ['labels for other images', digitsFile([1, 2], { y: { shape: [1, 1], data: Uint8Array.of(1) } }), /1 labels for 2/],
    ['no labels', digitsFile([1], { y: { name: 'z' } }), /no array y/],
    ['no images', digitsFile([1], { X: { name: 'Z' } }), /no array X/],
    ['a label out of range', digitsFile([1, 11, 3]), /label of image 1 .*is 11, not in 1..10/],
  ])('%s', async (_, bytes, message) => {
    writeFileSync(file, bytes);
    const loading = svhn.load(folder);
    await expect(loading).rejects.toThrow(FormatError);
    await expect(loading).rejects.toThrow(message);
  });

  test('a missing file, with where to get it', async () => {
    rmSync(join(folder, 'test_32x32.mat'));
    await expect(svhn.load(folder)).rejects.toThrow(/test_32x32.mat is missing; get it from http:.*\/test_32x32.mat/);
  });
});

const real = fileURLToPath(new URL('../../../shared/data/svhn-sample', import.meta.url));
describe.skipIf(!existsSync(real))(`the genuine files (skipped where ${real} is absent)`, () => {
  test('the first 288 training digits', async () => {
    const { train, test: held } = await openData(join(real, 'sample_train_32x32.mat'));
    expect(train.count + held.count).toBe(288);
    expect([...new Set([...train.labels, ...held.labels])].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('a download that was cut', async () => {
    await expect(openData(join(real, 'train_32x32.mat.truncated'))).rejects.toThrow(
      /truncated: the element at byte 128 has \d+ bytes, and the file ends at byte 712704/,
    );
  });
});
