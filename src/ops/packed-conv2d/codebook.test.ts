/** When a filter becomes a codebook, and that it computes the same integers; the kernels' cases are packed-conv2d.cases.ts. */
import { describe, expect, test } from 'vitest';
import { Plan, Variables } from '../../backends/plan.js';
import { createReference } from '../../backends/reference.js';
import { Graph } from '../../core/graph.js';
import { evaluate } from '../../core/op-case.js';
import { quantized } from '../../core/tensor.js';
import { selectKernels } from '../../passes/select-kernels.js';
import { Philox } from '../../util/philox.js';
import { codewordTaps, writeCodeword } from '../codewords.js';
import { integerConv2d } from '../integer-conv2d/integer-conv2d.js';
import { codewordsOf, packCodebook } from './codebook.js';

const inChannels = 64;
const outChannels = 128;
const filterType = quantized([3, 3, inChannels, outChannels], { kind: 'bipolar', max: 1, step: 1 });

/** A filter of the codewords 0, 8, 16 .. */
function filterOf(codewords: number): Uint8Array {
  const random = new Philox(1, 'filter');
  const channels = inChannels * outChannels;
  const filter = new Uint8Array(codewordTaps * channels);
  for (let channel = 0; channel < channels; channel++)
    writeCodeword(filter, channels, channel, 8 * (channel < codewords ? channel : random.nextInt(codewords)));
  return filter;
}

function convolution(filter: Uint8Array, signs?: Uint8Array): Graph {
  const graph = new Graph();
  const x = graph.input('x', quantized([1, 4, 3, inChannels], { kind: 'levels', max: 1, step: 1, zeroPoints: [1] }));
  const geometry = { stride: 1, dilation: 1, groups: 1, padTop: 1, padLeft: 1, outHeight: 4, outWidth: 3 };
  const constants = [
    graph.constant('filter', filterType, filter),
    signs && graph.constant('signs', quantized([outChannels], { kind: 'bipolar', max: 1, step: 1 }), signs),
  ];
  graph.output('y', graph.apply(integerConv2d, 'conv', [x, ...constants], geometry));
  return graph;
}

function run(graph: Graph): number[] {
  const plan = new Plan(graph, new Variables(createReference()));
  const random = new Philox(2, 'x');
  const x = plan.tensor('x');
  x.set(Uint8Array.from(x, () => random.nextInt(2)));
  plan.run();
  return [...plan.tensor('y')];
}

const selected = (filter: Uint8Array, isa: string): Graph => selectKernels(convolution(filter), { isa });
const kernelOf = (codewords: number, isa: string): string | undefined =>
  selected(filterOf(codewords), isa).outputs.values().next().value?.node?.op.name;

test('the codewords of a filter, in rising order', () => {
  const channels = inChannels * outChannels;
  expect(codewordsOf(filterOf(5), channels, 8)).toEqual([0, 8, 16, 24, 32]);
  expect(codewordsOf(filterOf(9), channels, 8)).toBeUndefined();
});

describe('the choice', () => {
  test.each([
    [8, 'avx512', 'conv2d-codebook'],
    [60, 'avx512', 'conv2d-codebook'],
    [16, 'simd128', 'conv2d-codebook'],
    [17, 'simd128', 'conv2d-tables'],
    [16, 'portable', 'conv2d-tables'],
  ])('%i codewords, %s: %s', (codewords, isa, kernel) => {
    expect(kernelOf(codewords, isa)).toBe(kernel);
  });
});

test.each([8, 60])('%i codewords give the integers of the plain convolution', (codewords) => {
  const filter = filterOf(codewords);
  const expected = run(convolution(filter));
  expect(expected.some((each) => each !== 0)).toBe(true);
  expect(run(selected(filter, 'avx512'))).toEqual(expected);
});

test.each(['codebook', 'planes', 'tables', 'dot', 'plain'] as const)('signs of output channels, %s', (kernel) => {
  const filter = filterOf(60);
  const signs = Uint8Array.from({ length: outChannels }, (_, k) => (k % 3 === 0 ? 0 : 1));
  const unsigned = run(convolution(filter));
  const expected = unsigned.map((sum, i) => (signs[i % outChannels] === 0 ? 0 - sum : sum));
  const chosen = selectKernels(convolution(filter, signs), { isa: 'avx512', kernelOf: () => kernel });
  expect(chosen.nodes.at(-1)!.op.name).toBe(kernel === 'plain' ? integerConv2d.name : `conv2d-${kernel}`);
  expect(run(chosen)).toEqual(expected);
});

test('more patterns than codewords are refused', () => {
  const random = new Philox(3, 'filter');
  const dense = filterOf(1).map(() => random.nextInt(2));
  const pack = (filter: Uint8Array, tableInputs: number): unknown =>
    evaluate(packCodebook, [filterType], { groups: 1, weightBits: 1, tableInputs }, [filter]);
  expect(() => pack(dense, 1)).toThrow('more than 64 codewords');
  expect(() => pack(filterOf(9), 2)).toThrow('more than 8 codewords');
});
