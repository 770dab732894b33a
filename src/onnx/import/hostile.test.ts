/** Damaged and malicious models end in one clear error, or import; nothing else may be thrown. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OnnxAttribute, OnnxModel, OnnxNode } from '../../formats/onnx-model.js';
import { decodeOnnx } from '../../formats/onnx-reader.js';
import { encodeOnnx } from '../../formats/onnx-writer.js';
import { SubbitError } from '../../util/errors.js';
import { trainableOnnx } from '../trainable/index.js';
import { Importer } from './importer.js';
import { importOnnx } from './index.js';

const domain = 'qonnx.custom_op.general';
const model: OnnxModel = {
  name: 'm',
  inputs: [{ name: 'x', type: 'float32', shape: [1, 3, 6, 6] }],
  outputs: [{ name: 'y', type: 'float32', shape: [1, 2] }],
  initializers: {
    w: { shape: [2, 3, 3, 3], data: Float32Array.from({ length: 54 }, (_, i) => Math.sin(i)) },
    s: { shape: [], data: Float32Array.of(0.25) },
    z: { shape: [], data: Float32Array.of(0) },
    b: { shape: [], data: Float32Array.of(2) },
    m: { shape: [8, 2], data: Float32Array.from({ length: 16 }, (_, i) => Math.cos(i)) },
    k: { shape: [2], data: Float32Array.of(1, 2) },
  },
  nodes: [
    {
      op: 'Quant',
      domain,
      inputs: ['w', 's', 'z', 'b'],
      outputs: ['wq'],
      attributes: { signed: { int: 1 }, narrow: { int: 1 } },
    },
    {
      op: 'Conv',
      inputs: ['x', 'wq'],
      outputs: ['c'],
      attributes: { pads: { ints: [0, 0, 0, 0] }, strides: { ints: [1, 1] } },
    },
    { op: 'BatchNormalization', inputs: ['c', 'k', 'k', 'k', 'k'], outputs: ['n'] },
    { op: 'Relu', inputs: ['n'], outputs: ['r'] },
    {
      op: 'MaxPool',
      inputs: ['r'],
      outputs: ['p'],
      attributes: { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } },
    },
    { op: 'Quant', domain, inputs: ['p', 's', 'z', 'b'], outputs: ['q'], attributes: { signed: { int: 0 } } },
    { op: 'Flatten', inputs: ['q'], outputs: ['f'] },
    { op: 'MatMul', inputs: ['f', 'm'], outputs: ['y'] },
  ],
  opset: 21,
};

const asIdentity = ({ inputs, outputs }: OnnxNode): OnnxNode => ({
  op: 'Identity',
  inputs: inputs.slice(0, 1),
  outputs,
});

function expectClear(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof SubbitError)) throw error;
    expect(error.message).toMatch(/^[^\n]+$/);
  }
}

test('the model itself can be imported, and trained without its quantizers', () => {
  expect(importOnnx(model).classes).toHaveLength(2);
  const nodes = model.nodes.map((node) => (node.op === 'Quant' ? asIdentity(node) : node));
  expect(trainableOnnx('m', { ...model, nodes }).classes).toBe(2);
});

test('mutated bytes', () => {
  const bytes = encodeOnnx(model);
  const changes = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(changes, (all) => {
      const mutated = bytes.slice();
      for (const [at, value] of all) mutated[at] = value;
      expectClear(() => importOnnx(decodeOnnx(mutated, { name: 'm' })));
    }),
    { numRuns: 3000 },
  );
});

const names = ['x', 'w', 's', 'z', 'b', 'm', 'k', 'wq', 'c', 'n', 'r', 'p', 'q', 'f', 'y', ''];
const operators = [
  ...[
    'Abs',
    'Add',
    'AveragePool',
    'BatchNormalization',
    'Cast',
    'Clip',
    'Concat',
    'Constant',
    'Conv',
    'DequantizeLinear',
    'Div',
    'Flatten',
  ],
  ...[
    'Gemm',
    'GlobalAveragePool',
    'Greater',
    'LeakyRelu',
    'MatMul',
    'MaxPool',
    'Min',
    'Mul',
    'PRelu',
    'Pad',
    'QuantizeLinear',
  ],
  ...['ReduceMean', 'Relu', 'Reshape', 'Softmax', 'Sub', 'Transpose', 'Quant', 'BipolarQuant'],
];
const number = fc.oneof(fc.integer({ min: -3, max: 9 }), fc.constantFrom(2 ** 31, -(2 ** 40), 0.5));
const value: fc.Arbitrary<OnnxAttribute> = fc.oneof(
  number.map((int) => ({ int })),
  number.map((float) => ({ float })),
  fc.array(number, { maxLength: 5 }).map((ints) => ({ ints })),
  fc.constantFrom('SAME_UPPER', 'ROUND', 'nonsense').map((text) => ({ text })),
);
const attributes = [
  'strides',
  'pads',
  'kernel_shape',
  'group',
  'axis',
  'perm',
  'signed',
  'narrow',
  'auto_pad',
  'transB',
  'dilations',
];

test('other operators, inputs and attributes', () => {
  const change = fc.record({
    at: fc.nat(model.nodes.length - 1),
    op: fc.option(fc.constantFrom(...operators), { nil: undefined }),
    inputs: fc.option(fc.array(fc.constantFrom(...names), { maxLength: 5 }), { nil: undefined }),
    attributes: fc.dictionary(fc.constantFrom(...attributes), value, { maxKeys: 3 }),
  });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), fc.boolean(), (changes, isFloat) => {
      const nodes: OnnxNode[] = model.nodes.map((node) => (isFloat && node.op === 'Quant' ? asIdentity(node) : node));
      for (const { at, op, inputs, attributes } of changes) {
        const node = nodes[at]!;
        const where = op === undefined ? {} : op.endsWith('Quant') ? { op, domain } : { op };
        const { domain: _, ...standard } = node;
        const base = op === undefined || op.endsWith('Quant') ? node : standard;
        nodes[at] = { ...base, ...where, ...(inputs && { inputs }), attributes: { ...node.attributes, ...attributes } };
      }
      expectClear(() => importOnnx({ ...model, nodes }));
      expectClear(() => trainableOnnx('m', { ...model, nodes }));
    }),
    { numRuns: 5000 },
  );
});

test.each(['valueOf', 'hasOwnProperty', '__proto__'])('%s, which every object has, is no operator', (op) => {
  const nodes = [{ op, inputs: ['x'], outputs: ['y'] }];
  expect(() => importOnnx({ ...model, nodes })).toThrow(`${op} 'y': the operator is not supported`);
});

test('too many nodes are refused, and too many inputs of one', () => {
  const relus = Array.from({ length: 10_001 }, (_, i) => ({
    op: 'Relu',
    inputs: [i === 0 ? 'x' : `t${i - 1}`],
    outputs: [`t${i}`],
  }));
  expect(() => importOnnx({ ...model, nodes: relus })).toThrow('the model has 10001 nodes; 10000 are the most');
  const inputs = new Array<string>(200_000).fill('t0');
  const joined = { op: 'Concat', inputs, outputs: ['y'], attributes: { axis: { int: 1 } } };
  expect(() => importOnnx({ ...model, nodes: [relus[0]!, joined] })).toThrow(
    /^the model has \d+ operations up to Concat 'y'; 10000 are the most$/,
  );
});

// Counting up from 2 for each takes minutes.
test('a name that repeats gets numbers that no other name has', { timeout: 20_000 }, () => {
  const importer = new Importer({ height: 1, width: 1, channels: 1 }, 17);
  expect(['a', 'a', 'a.2', 'a'].map((name) => importer.name(name))).toEqual(['a', 'a.2', 'a.2.2', 'a.3']);
  const all = new Set(Array.from({ length: 50_000 }, () => importer.name('a')));
  expect(all.size).toBe(50_000);
});
