import { expect, test } from 'vitest';
import { Graph } from '../core/graph.js';
import { real } from '../core/tensor.js';
import { activate } from '../ops/activation/activation.js';
import { batchStatistics, updateRunningStatistics } from '../ops/batch-norm/batch-norm.js';
import { add } from '../ops/elementwise/elementwise.js';
import { maxPool } from '../ops/pool/pool.js';
import { prune } from './prune.js';

const namesOf = (graph: Graph): string[] => prune(graph).map((node) => node.name);

test('keeps what outputs depend on, in order', () => {
  const graph = new Graph();
  const x = graph.input('x', real([4]));
  const a = graph.apply(activate, 'a', [x], { kind: 'relu' });
  graph.apply(activate, 'dead', [a], { kind: 'relu' });
  const b = graph.apply(add, 'b', [a, x], {});
  graph.apply(add, 'dead too', [b, b], {});
  graph.output('y', b);
  expect(namesOf(graph)).toEqual(['a', 'b']);
});

test('leaves out whole dead branches', () => {
  const graph = new Graph();
  const x = graph.input('x', real([4]));
  const a = graph.apply(activate, 'a', [x], { kind: 'relu' });
  const b = graph.apply(add, 'b', [a, a], {});
  graph.apply(add, 'c', [b, b], {});
  expect(namesOf(graph)).toEqual([]);
  graph.output('y', a);
  expect(namesOf(graph)).toEqual(['a']);
});

test('keeps ops that write to variables, and what they depend on', () => {
  const graph = new Graph();
  const x = graph.input('x', real([4, 2]));
  const running = ['mean', 'variance'].map((name) => graph.variable(name, real([2]), { role: 'state' }));
  const statistics = graph.add(batchStatistics, 'statistics', [x], {});
  graph.apply(activate, 'dead', [x], { kind: 'relu' });
  graph.add(updateRunningStatistics, 'running', [...running, ...statistics], { kept: 0.9, rows: 4 });
  expect(namesOf(graph)).toEqual(['statistics', 'running']);
});

test('one needed output keeps a node', () => {
  const graph = new Graph();
  const x = graph.input('x', real([1, 2, 2, 1]));
  const attributes = { size: 2, stride: 2, padTop: 0, padLeft: 0, outHeight: 1, outWidth: 1 };
  const [, index] = graph.add(maxPool, 'pool', [x], attributes);
  graph.output('index', index!);
  expect(namesOf(graph)).toEqual(['pool']);
});

test('an output that is an input or a variable needs no node', () => {
  const graph = new Graph();
  graph.output('x', graph.input('x', real([4])));
  graph.output('w', graph.variable('w', real([4]), { role: 'parameter' }));
  expect(namesOf(graph)).toEqual([]);
});
