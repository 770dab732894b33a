import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { FormatError } from '../util/errors.js';
import { cifar10, loadCifar10 } from './cifar10.js';

const root = mkdtempSync(join(tmpdir(), 'subbit-cifar-'));
const directory = join(root, 'cifar-10-batches-bin');
afterAll(() => rmSync(root, { recursive: true }));

const imagesPerFile = 3;
const names = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`).concat('test_batch.bin');

/** Records with label = (file + record) % 10 and, at pixel p, red = p, green = p + 1, blue = p + file (modulo 256). */
function records(file: number): Uint8Array {
  const bytes = new Uint8Array(imagesPerFile * 3073);
  for (let i = 0; i < imagesPerFile; i++) {
    const record = bytes.subarray(i * 3073);
    record[0] = (file + i) % 10;
    for (let p = 0; p < 1024; p++) {
      record[1 + p] = p;
      record[1025 + p] = p + 1;
      record[2049 + p] = p + file;
    }
  }
  return bytes;
}

beforeEach(() => {
  mkdirSync(directory, { recursive: true });
  for (const [file, name] of names.entries()) writeFileSync(join(directory, name), records(file));
});

test('planes become pixels', async () => {
  const { train, test: held, zeroPoints } = await loadCifar10(directory, {}, imagesPerFile);
  expect(train).toMatchObject({ count: 15, height: 32, width: 32, channels: 3 });
  expect(held.count).toBe(3);
  expect([...train.labels]).toEqual([0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6]);
  const at = (7 * 1024 + 300) * 3; // pixel 300 of image 7, which is in the third file
  expect([...train.images.subarray(at, at + 3)]).toEqual([300 - 256, 301 - 256, 302 - 256]);
  expect([...held.images.subarray(0, 6)]).toEqual([0, 1, 5, 1, 2, 6]);
  expect(zeroPoints).toEqual([125, 123, 114]);
});

test('the directory or its parent is recognised', () => {
  expect(cifar10.locate(directory)).toBe(directory);
  expect(cifar10.locate(root)).toBe(directory);
  expect(cifar10.locate(join(root, 'elsewhere'))).toBeUndefined();
});

test.each([3073 * 2, 3073 * 3 - 1, 3073 * 4, 0])('a file of %i bytes is refused', async (length) => {
  writeFileSync(join(directory, 'data_batch_4.bin'), new Uint8Array(length));
  const loading = loadCifar10(directory, {}, imagesPerFile);
  await expect(loading).rejects.toThrow(FormatError);
  await expect(loading).rejects.toThrow(/data_batch_4.bin' is damaged: expected 9219 bytes, found \d+/);
});

test('the published size is expected unless told otherwise', async () => {
  await expect(cifar10.load(directory)).rejects.toThrow(
    "data_batch_1.bin' is damaged: expected 30730000 bytes, found 9219",
  );
});

test('a missing file and a label out of range are named', async () => {
  writeFileSync(join(directory, 'test_batch.bin'), records(5).fill(10, 3073, 3074));
  await expect(loadCifar10(directory, {}, imagesPerFile)).rejects.toThrow(
    "test_batch.bin' is damaged: the label of record 1 is 10",
  );
  rmSync(join(directory, 'data_batch_2.bin'));
  await expect(loadCifar10(directory, {}, imagesPerFile)).rejects.toThrow('data_batch_2.bin is missing');
});
