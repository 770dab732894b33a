import { describe, expect, test } from 'vitest';
import { Plan, Variables } from '../backends/plan.js';
import { createReference } from '../backends/reference.js';
import { Graph, type Value } from '../core/graph.js';
import { real } from '../core/tensor.js';
import { activate } from '../ops/activation/activation.js';
import { conv2d } from '../ops/conv2d/conv2d.js';
import { add, reshape, sumRows } from '../ops/elementwise/elementwise.js';
import { quantizeBackward } from '../ops/quantize/gradients.js';
import { meanAbs, quantizeSign } from '../ops/quantize/weights.js';
import { SubbitError } from '../util/errors.js';
import { differentiate } from './differentiate.js';

function parameter(graph: Graph, name: string, contents: readonly number[], shape = [contents.length]): Value {
  return graph.variable(name, real(shape), { role: 'parameter', initialize: (data) => data.set(contents) });
}

/** The values of some tensors after a run on the reference. */
function valuesOf(graph: Graph, tensors: readonly Value[]): number[][] {
  for (const [i, tensor] of tensors.entries()) graph.output(`result ${i}`, tensor);
  const plan = new Plan(graph, new Variables(createReference()));
  plan.run();
  return tensors.map((_, i) => Array.from(plan.tensor(`result ${i}`)));
}

const opNames = (graph: Graph): string[] => graph.nodes.map((node) => node.op.name);

const dense = { stride: 1, padTop: 0, padLeft: 0, outHeight: 1, outWidth: 1 };

describe('differentiate', () => {
  test('takes the mean of the losses', () => {
    const graph = new Graph();
    const w = parameter(graph, 'w', [1, -2, 3, -4]);
    const losses = graph.apply(activate, 'relu', [w], { kind: 'relu' });
    const gradients = differentiate(graph, losses, [w]);
    expect(valuesOf(graph, gradients)).toEqual([[0.25, 0, 0.25, 0]]);
  });

  test('adds the gradients of a value that is used several times', () => {
    const graph = new Graph();
    const w = parameter(graph, 'w', [1, -2]);
    const twice = graph.apply(add, 'twice', [w, w], {});
    const relu = graph.apply(activate, 'relu', [w], { kind: 'relu' });
    const sum = graph.apply(add, 'sum', [twice, relu], {});
    const losses = graph.apply(add, 'losses', [sum, w], {});
    const gradients = differentiate(graph, losses, [w, relu]);
    // d/dw of the mean of 2 w + relu(w) + w over two elements
    expect(valuesOf(graph, gradients)).toEqual([
      [2, 1.5],
      [0.5, 0.5],
    ]);
  });

  test('goes through a chain in reverse order', () => {
    const graph = new Graph();
    const x = graph.variable('x', real([1, 1, 1, 2]), { role: 'state', initialize: (data) => data.set([3, 5]) });
    const w1 = parameter(graph, 'w1', [1, 2, -1, 4], [1, 1, 2, 2]);
    const w2 = parameter(graph, 'w2', [7, 11], [1, 1, 2, 1]);
    const hidden = graph.apply(conv2d, 'fc1', [x, w1, undefined, undefined], dense);
    const losses = graph.apply(conv2d, 'fc2', [hidden, w2, undefined, undefined], dense);
    const gradients = differentiate(graph, losses, [w1, w2]);
    expect(valuesOf(graph, gradients)).toEqual([
      [3 * 7, 3 * 11, 5 * 7, 5 * 11],
      [3 - 5, 6 + 20],
    ]);
  });

  test('builds nothing for the images', () => {
    const graph = new Graph();
    const images = graph.input('images', real([1, 1, 1, 2]));
    const filter = parameter(graph, 'filter', [1, 2], [1, 1, 2, 1]);
    const flat = graph.apply(reshape, 'flat', [images], { shape: [1, 1, 1, 2] });
    const losses = graph.apply(conv2d, 'fc', [flat, filter, undefined, undefined], dense);
    const before = graph.nodes.length;
    differentiate(graph, losses, [filter]);
    expect(opNames(graph).slice(before)).toEqual(['fill', 'conv2d-filter-gradient']);
  });

  test('builds nothing for parameters that are not wanted', () => {
    const graph = new Graph();
    const [a, b] = ['a', 'b'].map((name) => parameter(graph, name, [1, 2], [1, 1, 2, 1]));
    const x = parameter(graph, 'x', [1, 2], [1, 1, 1, 2]);
    const [ya, yb] = [a, b].map((w) => graph.apply(conv2d, w!.name, [x, w, undefined, undefined], dense));
    const losses = graph.apply(add, 'losses', [ya, yb], {});
    differentiate(graph, losses, [a!]);
    expect(opNames(graph).filter((name) => name.endsWith('gradient'))).toEqual(['conv2d-filter-gradient']);
  });

  test('gives quantized gradients to those who take them, and real ones to the others', () => {
    const graph = new Graph();
    const step = graph.input('step', { dtype: 'i32', shape: [1] });
    const w = parameter(graph, 'w', [1, -2, 3], [1, 1, 1, 3]);
    const mark = (stream: number) =>
      graph.apply(quantizeBackward, `fg${stream}`, [w, step], { bits: 8, seed: 1, stream });
    const losses = graph.apply(add, 'losses', [mark(1), mark(2)], {});
    const [gradient] = differentiate(graph, losses, [w]);
    // Both gradients of w are levels; their sum is of real numbers.
    expect(opNames(graph).filter((name) => name === 'dequantize')).toHaveLength(2);
    expect(gradient!.type).toEqual(real([1, 1, 1, 3]));
    for (const each of valuesOf(graph, [gradient!])[0]!) expect(each).toBeCloseTo(2 / 3, 6);
  });

  test('passes straight through a quantizer of weights, and not through its scale', () => {
    const graph = new Graph();
    const w = parameter(graph, 'w', [0.5, -0.25], [1, 1, 2, 1]);
    const x = graph.variable('x', real([1, 1, 1, 2]), { role: 'state', initialize: (data) => data.set([3, 5]) });
    const scale = graph.apply(meanAbs, 'scale', [w], {});
    const signs = graph.apply(quantizeSign, 'sign', [w], {}, scale);
    const losses = graph.apply(conv2d, 'fc', [x, signs, undefined, scale], dense);
    const [gradient] = differentiate(graph, losses, [w]);
    expect(valuesOf(graph, [losses, gradient!])).toEqual([[0.375 * (3 - 5)], [3, 5]]);
  });

  test('refuses a parameter that the loss does not depend on, by name', () => {
    const graph = new Graph();
    const used = parameter(graph, 'used', [1]);
    const idle = parameter(graph, 'conv7/filter', [1]);
    const losses = graph.apply(add, 'losses', [used, used], {});
    expect(() => differentiate(graph, losses, [used, idle])).toThrow(SubbitError);
    expect(() => differentiate(graph, losses, [used, idle])).toThrow('the loss does not depend on conv7/filter');
  });

  test('refuses an op without a gradient, by name', () => {
    const graph = new Graph();
    const w = parameter(graph, 'w', [1, 2], [2, 1]);
    const losses = graph.apply(sumRows, 'total', [w], {});
    expect(() => differentiate(graph, losses, [w])).toThrow('total: the op sum-rows has no gradient');
  });
});
