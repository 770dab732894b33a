/** What an operator may say that the importer has no use for is refused by its name, and what it has is computed. */
import { expect, test } from 'vitest';
import { Plan, Variables } from '../../backends/plan.js';
import { createReference } from '../../backends/reference.js';
import type { OnnxAttribute, OnnxModel, OnnxNode } from '../../formats/onnx-model.js';
import { importOnnx } from './index.js';

type NodeOf = readonly [op: string, inputs: string, attributes?: Record<string, OnnxAttribute>];

/** The nodes one after the other: 'x' is the image and '.' what the node before gives. */
function modelOf(...nodes: readonly NodeOf[]): OnnxModel {
  const named = nodes.map(([op, inputs, attributes = {}], i): OnnxNode => {
    const before = `t${i - 1}`;
    return {
      op,
      inputs: inputs.split(' ').map((name) => (name === '.' ? before : name)),
      outputs: [`t${i}`],
      attributes,
    };
  });
  return {
    name: 'm',
    inputs: [{ name: 'x', type: 'float32', shape: [1, 2, 2, 2] }],
    outputs: [{ name: `t${nodes.length - 1}`, type: 'float32', shape: [1, 2] }],
    initializers: {
      two: { shape: [2], data: Float32Array.of(1, 2) },
      matrix: { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
      yes: { shape: [], type: 'bool', data: Uint8Array.of(1) },
      space: { shape: [2], data: BigInt64Array.of(-1n, 2n) },
      rows: { shape: [2], data: BigInt64Array.of(1n, 2n) },
      scale: { shape: [], data: Float32Array.of(0.5) },
    },
    nodes: named,
    opset: 18,
  };
}

const window = { kernel_shape: { ints: [2, 2] }, count_include_pad: { int: 1 } };
const mean: NodeOf = ['ReduceMean', 'x space', { keepdims: { int: 0 } }];

test.each<readonly [string, readonly NodeOf[], string]>([
  [
    'a mean over other axes',
    [['ReduceMean', 'x rows']],
    "ReduceMean 't0': a mean over the axes [1, 2] is not supported",
  ],
  [
    'a softmax in the middle',
    [mean, ['Softmax', '.'], ['Relu', '.']],
    "Relu 't2': a Softmax before the end of the model is not supported",
  ],
  [
    'a softmax over pixels',
    [
      ['Softmax', 'x'],
      ['GlobalAveragePool', '.'],
    ],
    "Softmax 't0': the axis -1 of NCHW is not supported",
  ],
  [
    'a batch norm in training',
    [['BatchNormalization', 'x two two two two', { training_mode: { int: 1 } }]],
    'training_mode',
  ],
  ['a dropout in training', [['Dropout', 'x scale yes']], "Dropout 't0': training_mode is not supported"],
  [
    'a cast to integers',
    [
      ['Cast', 'x', { to: { int: 7 } }],
      ['Relu', '.'],
    ],
    "Cast 't0': a cast to the type int64 of what is computed is not supported",
  ],
  [
    'a transposed left side',
    [mean, ['Gemm', '. matrix', { transA: { int: 1 } }]],
    "Gemm 't1': transA is not supported",
  ],
  [
    'padding below and to the right that counts',
    [
      ['AveragePool', 'x', { ...window, pads: { ints: [0, 0, 1, 1] } }],
      ['GlobalAveragePool', '.'],
    ],
    "AveragePool 't0': padding that counts is not supported",
  ],
  [
    'an odd number of pixels of padding that count',
    [
      ['AveragePool', 'x', { ...window, auto_pad: { text: 'SAME_UPPER' } }],
      ['GlobalAveragePool', '.'],
    ],
    "AveragePool 't0': padding that counts is not supported",
  ],
  [
    'an axis twice',
    [['Transpose', 'matrix', { perm: { ints: [0, 0] } }], mean, ['MatMul', 't1 t0']],
    "Transpose 't0': the order [0, 0] of a constant of shape [2, 2] is not supported",
  ],
  [
    'too few axes',
    [['Transpose', 'matrix', { perm: { ints: [0] } }], mean, ['MatMul', 't1 t0']],
    "Transpose 't0': the order [0] of a constant of shape [2, 2] is not supported",
  ],
  [
    'a transposed row',
    [mean, ['Gemm', '. two', { transB: { int: 1 } }]],
    "Gemm 't1': the order [1, 0] of a constant of shape [2] is not supported",
  ],
  [
    'an axis that an image does not have',
    [
      ['Transpose', 'x', { perm: { ints: [0, 1, 7, 2, 3] } }],
      ['GlobalAveragePool', '.'],
    ],
    "Transpose 't0': the order [0, 1, 7, 2, 3] is not supported",
  ],
  ['blocks of scales', [['QuantizeLinear', 'x scale', { block_size: { int: 2 } }]], 'block_size'],
  ['float8', [['QuantizeLinear', 'x scale', { output_dtype: { int: 17 } }]], 'output_dtype 17'],
])('refuses %s', (_, nodes, message) => {
  expect(() => importOnnx(modelOf(...nodes))).toThrow(message);
});

test('means over the image, alpha and beta; a softmax at the end is left to its logits', () => {
  const gemm: NodeOf = ['Gemm', '. matrix two', { alpha: { float: 0.5 }, beta: { float: -1 } }];
  const { graph } = importOnnx(modelOf(mean, gemm, ['Softmax', '.']), { step: 1 });
  const plan = new Plan(graph, new Variables(createReference()));
  // Means 2 and 20: [2 + 60, 4 + 80] / 2 - [1, 2].
  plan.tensor('images').set([1, 10, 2, 20, 3, 30, 2, 20]);
  plan.run();
  expect([...plan.tensor('logits')]).toEqual([30, 40]);
});

test('padding that no window reaches does not count', () => {
  const pads = { ...window, pads: { ints: [0, 0, 1, 1] }, strides: { ints: [2, 2] } };
  const nodes: NodeOf[] = [
    ['AveragePool', 'x', pads],
    ['GlobalAveragePool', '.'],
  ];
  expect(importOnnx(modelOf(...nodes)).classes).toHaveLength(2);
});

test('constants that grow beyond all memory, or axes, are refused', () => {
  const importWith = (node: NodeOf, initializers: OnnxModel['initializers']): unknown => {
    const { initializers: others, ...model } = modelOf(node, mean, ['MatMul', 't1 t0']);
    return importOnnx({ ...model, initializers: { ...others, ...initializers } });
  };
  const count = 2 ** 17;
  const column = { shape: [count, 1], data: new Float32Array(count) };
  const row = { shape: [1, count], data: new Float32Array(count) };
  for (const op of ['Add', 'Sub', 'Mul', 'Div'])
    expect(() => importWith([op, 'column row'], { column, row })).toThrow(
      `${op} 't0': the pair of shapes [131072, 1] and [1, 131072] is not supported`,
    );
  const deep = { shape: [9], data: BigInt64Array.from([1, 1, 1, 1, 1, 1, 1, 2, 2], BigInt) };
  expect(() => importWith(['Reshape', 'matrix deep'], { deep })).toThrow(
    "Reshape 't0': this shape of a constant is not supported",
  );
});
