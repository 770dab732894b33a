import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { encodeOnnx } from '../../formats/onnx-writer.js';
import { readOnnxModel } from './onnx-model.js';

const folder = mkdtempSync(join(tmpdir(), 'subbit-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(type: 'uint8' | 'float32' | 'int32', shape: readonly (number | string)[]): string {
  const file = join(folder, `${type}-${shape.join('-')}.onnx`);
  const nodes = [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }];
  const values = { inputs: [{ name: 'x', type, shape }], outputs: [{ name: 'y', type, shape }] };
  writeFileSync(file, encodeOnnx({ name: 'm', ...values, initializers: {}, nodes }));
  return file;
}

test('images are as many as asked for, and of the type that the model takes', () => {
  const { x } = readOnnxModel(fileOf('uint8', ['N', 4, 4, 3]), 5).inputs;
  expect(x).toMatchObject({ type: 'uint8', shape: [5, 4, 4, 3] });
  expect(x!.data).toHaveLength(240);
  const { x: real } = readOnnxModel(fileOf('float32', [1, 3, 4, 4]), 1).inputs;
  expect(real!.data).toBeInstanceOf(Float32Array);
  expect(Math.max(...(real!.data as Float32Array))).toBeLessThanOrEqual(1);
});

test('what cannot be timed so is refused', () => {
  const file = fileOf('float32', [1, 3, 4, 4]);
  expect(() => readOnnxModel(file, 64)).toThrow(`'${file}' takes 1 images at a time, not 64; give --batch 1`);
  expect(() => readOnnxModel(fileOf('int32', ['N', 4]), 2)).toThrow("its input 'x' is int32 [N, 4], not images");
  expect(() => readOnnxModel(fileOf('float32', ['N', 3, 'H', 4]), 2)).toThrow('not images of one size');
  expect(() => readOnnxModel(join(folder, 'none.onnx'), 1)).toThrow('there is no model');
});
