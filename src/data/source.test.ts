import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { UsageError } from '../util/errors.js';
import { openData } from './index.js';
import { parseSource } from './source.js';

test.each([
  ['digits', 'digits', {}],
  ['cifar100:coarse', 'cifar100', { coarse: '' }],
  ['a/b:test=0.1,seed=2', 'a/b', { test: '0.1', seed: '2' }],
  ['C:\\data\\photos', 'C:\\data\\photos', {}],
  ['C:\\data:test=0.1', 'C:\\data', { test: '0.1' }],
  ['a:b:image=Big Picture', 'a:b', { image: 'Big Picture' }],
  ['name:', 'name:', {}],
])('%s', (text, place, choices) => {
  expect(parseSource(text)).toEqual({ place, choices });
});

test('a path that exists is a path, whatever it looks like', () => {
  const folder = mkdtempSync(join(tmpdir(), 'subbit-source-'));
  const path = join(folder, 'set:extra');
  writeFileSync(path, '');
  expect(parseSource(path)).toEqual({ place: path, choices: {} });
  rmSync(folder, { recursive: true });
});

test.each([
  ['digits:coarse', /unknown option of data set 'digits' 'coarse'/],
  ['svhn:exta', /did you mean 'extra'/],
  ['pictures', /unknown data set 'pictures'/],
  ['cifar-10', /did you mean 'cifar10'/],
  ['./none.parquet', /no file or folder/],
])('%s is refused', async (source, message) => {
  await expect(openData(source, { download: false })).rejects.toThrow(UsageError);
  await expect(openData(source, { download: false })).rejects.toThrow(message);
});
