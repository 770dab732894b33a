import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SubbitError } from '../util/errors.js';
import { filesBeside, readOnnx } from './onnx-file.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'subbit-onnx-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A file with a hole, which takes no space. */
function fileOf(name: string, bytes: number): string {
  const path = join(folder, name);
  writeFileSync(path, '');
  truncateSync(path, bytes);
  return path;
}

function errorOf(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

test('a file of 2 GiB is one clear error, as a model and beside one', () => {
  const path = fileOf('large.onnx', 2 ** 31);
  for (const run of [() => readOnnx(path), () => filesBeside(path)('large.onnx')]) {
    const error = errorOf(run);
    expect(error).toBeInstanceOf(SubbitError);
    expect((error as Error).message).toMatch(
      /^'[^'\n]+large.onnx' has 2147483648 bytes; 2147483647 are the most: [^\n]+$/,
    );
  }
});

test('a file beside the model is read once for all tensors that follow each other', () => {
  writeFileSync(join(folder, 'a.bin'), 'a');
  writeFileSync(join(folder, 'b.bin'), 'b');
  const read = filesBeside(join(folder, 'model.onnx'));
  const first = read('a.bin');
  expect(read('a.bin')).toBe(first);
  expect(String(read('b.bin'))).toBe('b');
  expect(String(read('a.bin'))).toBe('a');
});
