import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cifar100, loadCifar100 } from './cifar100.js';

const root = mkdtempSync(join(tmpdir(), 'subbit-cifar100-'));
const directory = join(root, 'cifar-100-binary');
afterAll(() => rmSync(root, { recursive: true }));

const names = (what: string, count: number): string =>
  `${Array.from({ length: count }, (_, i) => `${what}${i}`).join('\n')}\n\n`;

/** Records with coarse label i, fine label 99 - i, and red, green and blue of 3 i, 3 i + 1, 3 i + 2. */
function records(count: number): Uint8Array {
  const bytes = new Uint8Array(count * 3074);
  for (let i = 0; i < count; i++) {
    bytes.set([i, 99 - i], i * 3074);
    for (let c = 0; c < 3; c++) bytes.fill(3 * i + c, i * 3074 + 2 + c * 1024, i * 3074 + 2 + (c + 1) * 1024);
  }
  return bytes;
}

beforeAll(() => {
  mkdirSync(directory);
  writeFileSync(join(directory, 'train.bin'), records(5));
  writeFileSync(join(directory, 'test.bin'), records(2));
  writeFileSync(join(directory, 'fine_label_names.txt'), names('fine', 100));
  writeFileSync(join(directory, 'coarse_label_names.txt'), names('coarse', 20));
});

test('fine labels, coarse ones on request', async () => {
  expect(cifar100.locate(root)).toBe(directory);
  const images = { train: 5, test: 2 };
  const fine = await loadCifar100(directory, {}, images);
  expect([...fine.train.labels]).toEqual([99, 98, 97, 96, 95]);
  expect([fine.classes.length, fine.classes[99]]).toEqual([100, 'fine99']);
  expect([...fine.train.images.subarray(3072, 3078)]).toEqual([3, 4, 5, 3, 4, 5]);
  const coarse = await loadCifar100(directory, { choices: { coarse: '' } }, images);
  expect([...coarse.test.labels]).toEqual([0, 1]);
  expect([coarse.classes.length, coarse.classes[1]]).toEqual([20, 'coarse1']);
});

test('a file of another length, and names that are missing', async () => {
  await expect(cifar100.load(directory)).rejects.toThrow(
    /train.bin' is damaged: expected 153700000 bytes, found 15370/,
  );
  writeFileSync(join(directory, 'coarse_label_names.txt'), names('coarse', 19));
  await expect(loadCifar100(directory, { choices: { coarse: '' } }, { train: 5, test: 2 })).rejects.toThrow(
    /19 names, not 20/,
  );
});
