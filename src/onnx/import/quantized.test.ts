/** Of which type the integers are that QuantizeLinear makes, and how many scales there may be. */
import { expect, test } from 'vitest';
import { Plan, Variables } from '../../backends/plan.js';
import { createReference } from '../../backends/reference.js';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../../formats/onnx-model.js';
import { importOnnx } from './index.js';

const domain = 'qonnx.custom_op.general';
const numbers = (...data: number[]): OnnxTensor => ({ shape: [data.length], data: Float32Array.from(data) });
const int8: OnnxTensor = { shape: [], type: 'int8', data: Int8Array.of(0) };

/** Means of two channels times the matrix `m`, which `nodes` compute. */
function modelOf(nodes: readonly OnnxNode[], initializers: OnnxModel['initializers'] = {}): OnnxModel {
  return {
    name: 'm',
    inputs: [{ name: 'x', type: 'float32', shape: [1, 2, 2, 2] }],
    outputs: [{ name: 'y', type: 'float32', shape: [1, 2] }],
    initializers: {
      weights: { shape: [2, 2], data: Float32Array.of(-0.5, 0.5, 1, -1) },
      integers: { shape: [2, 2], data: Int8Array.of(-1, 1, 2, -2) },
      half: { shape: [], data: Float32Array.of(0.5) },
      none: { shape: [], data: Float32Array.of(0) },
      four: { shape: [], data: Float32Array.of(4) },
      pair: numbers(0.5, 0.5),
      triple: numbers(0.5, 0.5, 0.5),
      zeros: { shape: [3], data: new Int8Array(3) },
      one: { shape: [1], data: BigInt64Array.of(1n) },
      ...initializers,
    },
    nodes: [
      ...nodes,
      { op: 'GlobalAveragePool', inputs: ['x'], outputs: ['image'] },
      { op: 'Flatten', inputs: ['image'], outputs: ['row'] },
      { op: 'MatMul', inputs: ['row', 'm'], outputs: ['y'] },
    ],
    opset: 21,
  };
}

/** Of means 2 and 20. */
function logitsOf(model: OnnxModel): number[] {
  const plan = new Plan(importOnnx(model, { step: 1 }).graph, new Variables(createReference()));
  plan.tensor('images').set([1, 10, 2, 20, 3, 30, 2, 20]);
  plan.run();
  return [...plan.tensor('logits')];
}

/** Weights through integers and back. */
const roundTrip = (...zero: string[]): OnnxNode[] => [
  { op: 'QuantizeLinear', inputs: ['weights', 'half', ...zero], outputs: ['q'] },
  { op: 'DequantizeLinear', inputs: ['q', 'half', ...zero], outputs: ['m'] },
];
const constant = (output: string): OnnxNode => ({
  op: 'Constant',
  inputs: [],
  outputs: [output],
  attributes: { value: { tensor: int8 } },
});
const identity: OnnxNode = { op: 'Identity', inputs: ['stored'], outputs: ['zero'] };

test.each<readonly [string, readonly OnnxNode[], OnnxModel['initializers']]>([
  ['stored', [], { zero: int8 }],
  ['stored, and its type is that of the array', [], { zero: { shape: [], data: Int8Array.of(0) } }],
  ['stored, through Identity', [identity], { stored: int8 }],
  ['a Constant', [constant('zero')], {}],
  ['a Constant through Identity', [constant('stored'), identity], {}],
  ['a Constant through Reshape', [constant('stored'), { ...identity, op: 'Reshape', inputs: ['stored', 'one'] }], {}],
  ['a Constant through Transpose', [constant('stored'), { ...identity, op: 'Transpose' }], {}],
])("integers are of the zero point's type: %s", (_, nodes, initializers) => {
  expect(logitsOf(modelOf([...nodes, ...roundTrip('zero')], initializers))).toEqual([19, -19]);
});

test('they are uint8 without a zero point, and of no type where its own is not known', () => {
  expect(logitsOf(modelOf(roundTrip()))).toEqual([20, 1]);
  const real: OnnxNode = { op: 'DequantizeLinear', inputs: ['stored', 'half'], outputs: ['zero'] };
  expect(() => importOnnx(modelOf([real, ...roundTrip('zero')], { stored: int8 }))).toThrow(
    "QuantizeLinear 'q': a zero point whose type the model does not tell is not supported",
  );
  const long = { shape: [], data: BigInt64Array.of(0n) };
  expect(() => importOnnx(modelOf(roundTrip('zero'), { zero: long }))).toThrow(
    "QuantizeLinear 'q': the type int64 is not supported",
  );
});

test.each<readonly [string, OnnxNode, string]>([
  [
    'QuantizeLinear',
    { op: 'QuantizeLinear', inputs: ['weights', 'triple'], outputs: ['m'] },
    'a scale of 3 numbers along axis 1 of the shape [2, 2]',
  ],
  [
    'DequantizeLinear',
    { op: 'DequantizeLinear', inputs: ['integers', 'triple'], outputs: ['m'], attributes: { axis: { int: 0 } } },
    'a scale of 3 numbers along axis 0 of the shape [2, 2]',
  ],
  [
    'zero points',
    { op: 'DequantizeLinear', inputs: ['integers', 'pair', 'zeros'], outputs: ['m'] },
    'a zero point of 3 numbers along axis 1 of the shape [2, 2]',
  ],
  [
    'Quant',
    { op: 'Quant', domain, inputs: ['weights', 'triple', 'none', 'four'], outputs: ['m'] },
    'a scale of 3 numbers along axis 1 of the shape [2, 2]',
  ],
  [
    'BipolarQuant',
    { op: 'BipolarQuant', domain, inputs: ['weights', 'triple'], outputs: ['m'] },
    'a scale of 3 numbers along axis 1 of the shape [2, 2]',
  ],
])('a scale is one number or one per place: %s', (_, node, message) => {
  expect(() => importOnnx(modelOf([node]))).toThrow(`'m': ${message} is not supported`);
});

test('scales of the input are one for all or one per channel', () => {
  const importWith = (axis: number, scale: string): unknown => {
    const real = {
      op: 'DequantizeLinear',
      inputs: ['x', scale],
      outputs: ['real'],
      attributes: { axis: { int: axis } },
    };
    const pooled = { op: 'GlobalAveragePool', inputs: ['real'], outputs: ['y'] };
    return importOnnx({ ...modelOf([]), nodes: [real, pooled] });
  };
  expect(() => importWith(2, 'half')).not.toThrow();
  expect(() => importWith(-3, 'pair')).not.toThrow();
  expect(() => importWith(1, 'triple')).toThrow('a scale of 3 numbers along axis 1 of the shape [1, 2, 1, 1]');
  expect(() => importWith(2, 'pair')).toThrow('a scale of 2 numbers along axis 2 of the shape [1, 2, 1, 1]');
});
