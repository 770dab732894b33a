import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { encodeSafetensors } from '../formats/safetensors.js';
import { openWeights } from './runs.js';

const folder = mkdtempSync(join(tmpdir(), 'subbit-weights-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('weights in other precisions become float32, others are refused', () => {
  const bytes = (array: { buffer: ArrayBufferLike }): Uint8Array => new Uint8Array(array.buffer as ArrayBuffer);
  const file = join(folder, 'w.safetensors');
  const half = bytes(Uint16Array.of(0x3800, 0xc000, 0x0001, 0x7c00));
  const brain = bytes(Uint16Array.of(0x3f00, 0xc000, 0x7f80, 0x0001));
  const tensors = {
    half: { dtype: 'F16', shape: [4], data: half },
    brain: { dtype: 'BF16', shape: [4], data: brain },
    double: { dtype: 'F64', shape: [1], data: bytes(Float64Array.of(0.1)) },
    single: { shape: [1], data: Float32Array.of(7) },
  } as const;
  writeFileSync(file, encodeSafetensors(tensors, { network: JSON.stringify({ classes: ['a', 'b'] }) }));
  const { tensors: found, classes } = openWeights(file, () => {});
  expect(classes).toBe(2);
  expect(found.half!.data).toEqual(Float32Array.of(0.5, -2, 2 ** -24, Number.POSITIVE_INFINITY));
  expect(found.brain!.data).toEqual(Float32Array.of(0.5, -2, Number.POSITIVE_INFINITY, 2 ** -133));
  expect(found.double!.data).toEqual(Float32Array.of(0.1));
  expect(found.single!.data).toEqual(Float32Array.of(7));

  const other = { i: { dtype: 'I64', shape: [1], data: new Uint8Array(8) } } as const;
  writeFileSync(file, encodeSafetensors(other));
  expect(() => openWeights(file, () => {})).toThrow(
    "the tensor 'i' has the type I64; weights are F32, F16, BF16 or F64",
  );
});
