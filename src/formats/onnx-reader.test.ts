import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FormatError } from '../util/errors.js';
import type { OnnxModel } from './onnx-model.js';
import { decodeOnnx } from './onnx-reader.js';
import { encodeOnnx } from './onnx-writer.js';

const model: OnnxModel = {
  name: 'g',
  inputs: [{ name: 'x', type: 'uint8', shape: ['N', 300] }],
  outputs: [{ name: 'y', type: 'float32', shape: [] }],
  initializers: {
    w: { shape: [2], type: 'float32', data: Float32Array.of(1, -2) },
    four: { shape: [3], type: 'int4', data: Int8Array.of(-8, 7, -1) },
    two: { shape: [5], type: 'int2', data: Int8Array.of(-2, 1, 0, -1, 1) },
    levels: { shape: [1, 3], type: 'uint4', data: Uint8Array.of(15, 0, 9) },
    wide: { shape: [], type: 'int64', data: BigInt64Array.of(-5n) },
    words: { shape: [2], type: 'int16', data: Int16Array.of(-255, 255) },
  },
  nodes: [
    {
      op: 'Quant',
      name: 'q',
      domain: 'qonnx.custom_op.general',
      inputs: ['x', '', 'w'],
      outputs: ['y'],
      attributes: {
        group: { int: -2 },
        alpha: { float: 0.5 },
        pads: { ints: [1, -1] },
        slopes: { floats: [0.25, -1] },
        mode: { text: 'ROUND' },
        names: { texts: ['a', 'b'] },
        value: { tensor: { shape: [1], type: 'uint8', data: Uint8Array.of(3) } },
      },
    },
  ],
  opset: 21,
  domains: { 'qonnx.custom_op.general': 1 },
  irVersion: 10,
  metadata: { classes: '["a"]' },
};

test('reads what the writer writes, in any kind of memory', () => {
  const bytes = encodeOnnx(model);
  for (const memory of [bytes, Buffer.from(bytes), Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)])
    expect(decodeOnnx(memory, { name: 'm' })).toEqual(model);
});

const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

test('reads numbers that are not raw bytes, and half floats', () => {
  // Python, onnx 1.23: make_tensor of each type, not raw.
  const file = fromHex(
    '080e3a7a1201672a16080310062a0d01feffffffffffffffff01ac024201612a0f0803100a2a068070808003014201682a0b080310162a02780f' +
      '4201692a19080210073a10ffffffffffffffffff0180808080802042016c2a110801100b42016452089a9999999999b93f2a11080210012208' +
      '0000803f0000204042016642040a001015',
  );
  expect(decodeOnnx(file, { name: 'm' }).initializers).toEqual({
    a: { shape: [3], type: 'int32', data: Int32Array.of(1, -2, 300) },
    h: { shape: [3], type: 'float32', data: Float32Array.of(0.5, -2, 2 ** -24) },
    i: { shape: [3], type: 'int4', data: Int8Array.of(-8, 7, -1) },
    l: { shape: [2], type: 'int64', data: BigInt64Array.of(-1n, 2n ** 40n) },
    d: { shape: [1], type: 'float64', data: Float64Array.of(0.1) },
    f: { shape: [2], type: 'float32', data: Float32Array.of(1, 2.5) },
  });
});

test('refuses integers that are none', () => {
  // Floats, 1 and NaN, in a tensor of int64.
  const file = fromHex('080e3a16120167' + '2a1108021007' + '22080000803f0000c07f' + '420166' + '42040a001015');
  expect(() => decodeOnnx(file, { name: 'm' })).toThrow(
    "'m' cannot be read: the tensor 'f' (int64) has the element NaN",
  );
});

test('reads data from a file beside the model, and only what lies in it', () => {
  const file = fromHex(
    '080e3a3b1201672a36080210014201656a110a086c6f636174696f6e1205772e62696e6a0b0a066f66667365741201346a0b0a066c656e6774681201' +
      '38700142040a001015',
  );
  const contents = new Uint8Array(Float32Array.of(7, 1, -2).buffer);
  const readExternal = (location: string): Uint8Array => (location === 'w.bin' ? contents : new Uint8Array());
  const { e } = decodeOnnx(file, { name: 'm', readExternal }).initializers;
  expect(e).toEqual({ shape: [2], type: 'float32', data: Float32Array.of(1, -2) });
  expect(() => decodeOnnx(file, { name: 'm' })).toThrow(
    "'m' cannot be read: the data of the tensor 'e' lies in another file, 'w.bin'",
  );
  expect(() => decodeOnnx(file, { name: 'm', readExternal: () => contents.subarray(2) })).toThrow(
    "'m' cannot be read: the tensor 'e' wants bytes 4 to 12 of 'w.bin', which has 10",
  );
});

const bytes = encodeOnnx(model);

test('a truncated file is one clear error', () => {
  for (let length = 0; length < bytes.length; length++) {
    try {
      decodeOnnx(bytes.subarray(0, length), { name: 'm' });
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError);
      expect((error as Error).message).toMatch(/^'m' cannot be read: [^\n]+$/);
    }
  }
});

test('mutated files give a model or a FormatError', () => {
  const mutation = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(mutation, (changes) => {
      const mutated = bytes.slice();
      for (const [at, value] of changes) mutated[at] = value;
      try {
        decodeOnnx(mutated, { name: 'm' });
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
    { numRuns: 10_000 },
  );
});

test('data that does not have the size of its shape, impossible shapes, unknown types', () => {
  const with_ = (change: (model: string) => string): Uint8Array => fromHex(change(Buffer.from(bytes).toString('hex')));
  // The shape [2] of w, as 3 and as -1.
  expect(() =>
    decodeOnnx(
      with_((hex) => hex.replace('08021001420177', '08031001420177')),
      { name: 'm' },
    ),
  ).toThrow("'m' cannot be read: the tensor 'w' of 3 elements (float32) has 8 bytes");
  expect(() =>
    decodeOnnx(
      with_((hex) => hex.replace('08021001420177', '0802107f420177')),
      { name: 'm' },
    ),
  ).toThrow("'m' cannot be read: the tensor 'w' has elements of type 127, which subbit does not know");
});

test('tensors of more than eight axes are refused', () => {
  const fileOf = (rank: number): Uint8Array =>
    encodeOnnx({ ...model, initializers: { w: { shape: new Array<number>(rank).fill(1), data: Float32Array.of(1) } } });
  expect(decodeOnnx(fileOf(8), { name: 'm' }).initializers.w!.shape).toHaveLength(8);
  for (const rank of [9, 1_000_000])
    expect(() => decodeOnnx(fileOf(rank), { name: 'm' })).toThrow(
      `'m' cannot be read: the tensor 'w' has ${rank} axes; 8 are the most`,
    );
});
