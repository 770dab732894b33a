import { describe, expect, it } from 'vitest';
import { Ort } from '../cli/bench/ort.js';
import { SubbitError, UsageError } from '../util/errors.js';
import type { OnnxModel } from './onnx-model.js';
import { encodeOnnx } from './onnx-writer.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const example: OnnxModel = {
  name: 'g',
  inputs: [{ name: 'x', type: 'uint8', shape: ['N', 300] }],
  outputs: [{ name: 'y', type: 'int8', shape: [] }],
  initializers: { w: { shape: [2], data: Float32Array.of(1, -2) } },
  nodes: [
    {
      op: 'Conv',
      name: 'c',
      inputs: ['x', 'w'],
      outputs: ['y'],
      attributes: { group: { int: 2 }, pads: { ints: [1, -1] } },
    },
  ],
  domains: { 'com.microsoft': 1 },
};

describe('encodeOnnx', () => {
  it('writes the bytes that the onnx package writes', () => {
    // Python, onnx 1.x: helper.make_model(...).SerializeToString() of the same model.
    expect(hex(encodeOnnx(example))).toBe(
      '080812067375626269743a740a380a01780a01771201791a01632204436f6e762a0c0a0567726f75701802a001022a160a0470616473400140' +
        'ffffffffffffffffff01a001071201672a11080210014201774a080000803f000000c05a150a017812100a0e0802120a0a0312014e0a0308' +
        'ac02620b0a017912060a040803120042040a00101142110a0d636f6d2e6d6963726f736f66741001',
    );
  });

  it('writes floats, tensors, left-out inputs and domains as attributes of a node', () => {
    const node = {
      op: 'A',
      domain: 'd',
      inputs: ['', 'b'],
      outputs: ['y'],
      attributes: { alpha: { float: 0.5 }, value: { tensor: { shape: [], data: BigInt64Array.of(-5n) } } },
    };
    const model = encodeOnnx({ name: 'g', inputs: [], outputs: [], initializers: {}, nodes: [node] });
    expect(hex(model)).toContain(
      '0a000a01621201792201412a0f0a05616c706861150000003fa001012a1a0a0576616c75652a0e100742004a08fbffffffffffffffa001043a0164',
    );
  });

  it('refuses a tensor whose data does not have its shape', () => {
    const model = { ...example, initializers: { w: { shape: [3], data: Float32Array.of(1, -2) } } };
    expect(() => encodeOnnx(model)).toThrow(SubbitError);
    expect(() => encodeOnnx(model)).toThrow("the ONNX tensor 'w' of shape [3] needs 3 elements, not 2");
  });

  it('writes a model that ONNX Runtime computes', async ({ skip }) => {
    const ort = await Ort.load('ort', { threads: 1, folder: process.env.SUBBIT_PEERS }).catch((error: unknown) => {
      if (!(error instanceof UsageError)) throw error;
      console.warn(`NOT tested, the model is loaded by nobody: ${error.message}`);
      return skip('onnxruntime-node is not installed');
    });
    const model = encodeOnnx({
      name: 'sums',
      inputs: [{ name: 'x', type: 'float32', shape: [1, 1, 2, 3] }],
      outputs: [{ name: 'y', type: 'float32', shape: [1, 1, 2, 2] }],
      initializers: { w: { shape: [1, 1, 1, 2], data: Float32Array.of(1, -2) } },
      nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'], attributes: { pads: { ints: [0, 0, 0, 0] } } }],
    });
    const x = { type: 'float32', shape: [1, 1, 2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) } as const;
    const runner = await ort.prepare(model, { x });
    expect(await runner.results()).toEqual({ y: Float32Array.of(-3, -4, -6, -7) });
    await runner.dispose();
  });
});
