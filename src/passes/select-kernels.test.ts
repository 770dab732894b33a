/** Kernel selection computes the same integers; deploy.test.ts has whole networks, here is what they do not have. */
import { expect, test } from 'vitest';
import { Plan, Variables } from '../backends/plan.js';
import { createReference } from '../backends/reference.js';
import { Graph } from '../core/graph.js';
import { quantized } from '../core/tensor.js';
import { integerAdd } from '../ops/integer/integer-add.js';
import { lookup } from '../ops/integer/lookup.js';
import { rescale } from '../ops/integer/rescale.js';
import { threshold } from '../ops/integer/threshold.js';
import { integerConv2d } from '../ops/integer-conv2d/integer-conv2d.js';
import { selectKernels } from './select-kernels.js';

const constant = (graph: Graph, name: string, values: readonly number[]) =>
  graph.constant(name, { dtype: 'i32', shape: [values.length] }, Int32Array.from(values));

const levels = [0, 1, 2, 3, 3, 2, 1, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 3];

/** conv -> rescale -> r + r */
function doubled(): Graph {
  const graph = new Graph();
  const x = graph.input('x', quantized([1, 3, 3, 2], { kind: 'levels', max: 3, step: 1 }));
  const filterType = quantized([1, 1, 2, 2], { kind: 'bipolar', max: 1, step: 1 });
  const filter = graph.constant('filter', filterType, Uint8Array.from([1, 0, 0, 0]));
  const geometry = { stride: 1, dilation: 1, groups: 1, padTop: 0, padLeft: 0, outHeight: 3, outWidth: 3 };
  const acc = graph.apply(integerConv2d, 'conv', [x, filter], geometry);
  const factors = [
    constant(graph, 'multiplier', [3, 5]),
    constant(graph, 'shift', [1, 0]),
    constant(graph, 'bias', [1, -2]),
  ];
  const stream = graph.apply(rescale, 'stream', [acc, ...factors], { low: -1000, high: 1000, step: 1 });
  graph.output('y', graph.apply(integerAdd, 'sum', [stream, stream], {}));
  return graph;
}

function run(graph: Graph, bytes: readonly number[] = levels): number[] {
  const plan = new Plan(graph, new Variables(createReference()));
  plan.tensor('x').set(bytes);
  plan.run();
  return [...plan.tensor('y')];
}

test('a stream that is added to itself', () => {
  const expected = run(doubled());
  expect(expected.some((each) => each !== 0)).toBe(true);
  expect(run(selectKernels(doubled(), { isa: 'avx512' }))).toEqual(expected);
});

/** Bytes times one weight per channel, less a zero point, and thresholds or a rescaling. */
function quantizer({ stride = 1, isRescaled = false } = {}): Graph {
  const graph = new Graph();
  const x = graph.input('x', quantized([1, 3, 2, 3], { kind: 'levels', max: 255, step: 1, zeroPoints: [100, 0, 7] }));
  const filterType = quantized([1, 1, 1, 3], { kind: 'bipolar', max: 1, step: 1 });
  const filter = graph.constant('filter', filterType, Uint8Array.from([1, 0, 1]));
  const geometry = {
    stride,
    dilation: 1,
    groups: 3,
    padTop: 0,
    padLeft: 0,
    outHeight: Math.ceil(3 / stride),
    outWidth: 2 / stride,
  };
  const acc = graph.apply(integerConv2d, 'conv', [x, filter], geometry);
  const rows = (name: string, steps: readonly number[]) =>
    graph.constant(name, { dtype: 'i32', shape: [2, 3] }, Int32Array.from(steps));
  if (isRescaled) {
    const perChannel = (name: string, values: readonly number[]) =>
      graph.constant(name, { dtype: 'i32', shape: [3] }, Int32Array.from(values));
    const factors = [
      perChannel('multiplier', [3, -5, 7]),
      perChannel('shift', [1, 0, 2]),
      perChannel('bias', [0, 9, -9]),
    ];
    graph.output('y', graph.apply(rescale, 'stream', [acc, ...factors], { low: -140, high: 150 }));
    return graph;
  }
  const thresholds = [rows('up', [-90, 2, 30, 120, 256, 31]), rows('down', [-256, -4, -257, -256, -200, -257])];
  graph.output('y', graph.apply(threshold, 'levels', [acc, ...thresholds], {}));
  return graph;
}

const bytes = [0, 1, 2, 9, 3, 36, 10, 4, 37, 11, 5, 38, 219, 199, 255, 220, 200, 0];

test('a quantizer of bytes is a table', () => {
  const expected = run(quantizer(), bytes);
  expect(new Set(expected)).toEqual(new Set([0, 1, 2]));
  const selected = selectKernels(quantizer(), { isa: 'avx512' });
  expect(selected.nodes.map(({ op }) => op.name)).toEqual([lookup.name]);
  expect(run(selected, bytes)).toEqual(expected);
});

test('levels that become a residual stream are a table of its integers', () => {
  const expected = run(quantizer({ isRescaled: true }), bytes);
  expect(Math.min(...expected)).toBe(-140);
  expect(Math.max(...expected)).toBe(150);
  const selected = selectKernels(quantizer({ isRescaled: true }), { isa: 'avx512' });
  expect(selected.nodes.map(({ op }) => op.name)).toEqual([lookup.name]);
  expect(selected.outputs.get('y')!.type).toEqual(quantizer({ isRescaled: true }).outputs.get('y')!.type);
  expect(run(selected, bytes)).toEqual(expected);
});

test('one that leaves out pixels is none', () => {
  const selected = selectKernels(quantizer({ stride: 2 }), { isa: 'avx512' });
  expect(selected.nodes.map(({ op }) => op.name)).not.toContain(lookup.name);
  expect(run(selected, bytes)).toEqual(run(quantizer({ stride: 2 }), bytes));
});
