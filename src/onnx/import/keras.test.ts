/** The node patterns of QKeras' networks, as the converter of qonnx 0.4 and tf2onnx write them. (scripts/conformance has real ones.) */
import { expect, test } from 'vitest';
import { Plan, Variables } from '../../backends/plan.js';
import { createReference } from '../../backends/reference.js';
import type { OnnxModel } from '../../formats/onnx-model.js';
import { importOnnx } from './index.js';

const domain = 'qonnx.custom_op.general';
const scalar = (value: number) => ({ shape: [], data: Float32Array.of(value) });

/** Images [N, H, W, C] in real numbers; binary() is a Quant of one signed bit; a flattened image lies as [H, W, C]. */
const model: OnnxModel = {
  name: 'm',
  inputs: [{ name: 'images', type: 'float32', shape: [1, 6, 5, 3] }],
  outputs: [{ name: 'y', type: 'float32', shape: [1, 2] }],
  initializers: {
    filter: { shape: [4, 3, 1, 1], data: Float32Array.of(0.5, -0.1, 0, -2, 0.3, 0.4, 1, 1, 1, -0.2, -0.1, 0.7) },
    matrix: { shape: [120, 2], data: Float32Array.from({ length: 240 }, (_, i) => Math.cos(i)) },
    one: scalar(1),
    none: scalar(0),
    eighth: scalar(0.125),
    three: scalar(3),
    flat: { shape: [2], data: BigInt64Array.of(-1n, 120n) },
  },
  nodes: [
    {
      op: 'Quant',
      domain,
      inputs: ['filter', 'one', 'none', 'one'],
      outputs: ['signs'],
      attributes: { signed: { int: 1 }, narrow: { int: 1 } },
    },
    { op: 'Transpose', inputs: ['images'], outputs: ['x'], attributes: { perm: { ints: [0, 3, 1, 2] } } },
    { op: 'Conv', inputs: ['x', 'signs'], outputs: ['c'] },
    { op: 'Relu', inputs: ['c'], outputs: ['r'] },
    {
      op: 'Quant',
      domain,
      inputs: ['r', 'eighth', 'none', 'three'],
      outputs: ['q'],
      attributes: { signed: { int: 0 }, narrow: { int: 0 } },
    },
    { op: 'Transpose', inputs: ['q'], outputs: ['t'], attributes: { perm: { ints: [0, 2, 3, 1] } } },
    { op: 'Reshape', inputs: ['t', 'flat'], outputs: ['f'] },
    { op: 'MatMul', inputs: ['f', 'matrix'], outputs: ['y'] },
  ],
  opset: 13,
};

test('a network of channels last computes what its nodes say', () => {
  const { graph, input } = importOnnx(model);
  expect(input).toEqual({ height: 6, width: 5, channels: 3 });
  const plan = new Plan(graph, new Variables(createReference()));
  const images = Uint8Array.from({ length: 90 }, (_, i) => (i * 7919) % 256);
  plan.tensor('images').set(images);
  plan.run();
  const [filter, matrix] = [model.initializers.filter!.data, model.initializers.matrix!.data] as Float32Array[];
  const expected = [0, 0];
  for (let pixel = 0; pixel < 30; pixel++)
    for (let k = 0; k < 4; k++) {
      const sum = [0, 1, 2].reduce(
        (total, c) => total + ((filter![k * 3 + c]! >= 0 ? 1 : -1) * images[pixel * 3 + c]!) / 255,
        0,
      );
      const level = Math.min(7, Math.round(Math.max(sum, 0) / 0.125));
      for (const j of [0, 1]) expected[j]! += 0.125 * level * matrix![(pixel * 4 + k) * 2 + j]!;
    }
  const found = [...plan.tensor('logits')];
  for (const j of [0, 1]) expect(found[j]).toBeCloseTo(expected[j]!, 4);
});

test('one signed bit with a zero point is refused', () => {
  const nodes = model.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((name) => (name === 'none' ? 'one' : name)),
  }));
  expect(() => importOnnx({ ...model, nodes })).toThrow('a zero point of one signed bit is not supported');
});
