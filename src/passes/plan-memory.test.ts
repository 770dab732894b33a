import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Graph, type Node, type Value } from '../core/graph.js';
import { defineOp, type InputTypes } from '../core/op.js';
import { bytesOf, real } from '../core/tensor.js';
import { add, fill, reshape } from '../ops/elementwise/elementwise.js';
import { planMemory, storageOf } from './plan-memory.js';

/** Up to three inputs, as many outputs as sizes. */
const anyOp = defineOp({
  name: 'any',
  inputs: ['a?', 'b?', 'c?'],
  outputs: ['x', 'y', 'z'],
  infer: (_: InputTypes, { sizes }: { readonly sizes: readonly number[] }) => sizes.map((size) => real([size])),
  params: {},
  pack: () => ({}),
  reference: () => {},
});

interface Step {
  readonly isAlias: boolean;
  /** Each picks one of the values so far. */
  readonly inputs: readonly number[];
  readonly sizes: readonly number[];
  readonly scratch: number;
  readonly isKept: boolean;
}

const step: fc.Arbitrary<Step> = fc.record({
  isAlias: fc.boolean(),
  inputs: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
  sizes: fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 3 }),
  scratch: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1000 })),
  isKept: fc.boolean(),
});

function build(steps: readonly Step[]): { nodes: Node[]; kept: Value[]; scratch: number[] } {
  const graph = new Graph();
  const known = [graph.input('input', real([50]))];
  const kept: Value[] = [];
  for (const [i, { isAlias, inputs, sizes, isKept }] of steps.entries()) {
    const operands = inputs.map((pick) => known[pick % known.length]!);
    const outputs = isAlias
      ? graph.add(reshape, `alias ${i}`, [operands[0]], { shape: operands[0]!.type.shape })
      : graph.add(anyOp, `node ${i}`, operands, { sizes });
    known.push(...outputs);
    if (isKept) kept.push(outputs[0]!);
  }
  return { nodes: graph.nodes, kept, scratch: steps.map((each) => (each.isAlias ? 0 : each.scratch)) };
}

/**
 * Goes through the nodes with an arena that remembers who wrote each piece of 64 bytes last. Nobody may find another's bytes
 * where its own should be.
 */
function expectNoConflict(nodes: readonly Node[], kept: readonly Value[], scratch: readonly number[]): void {
  const plan = planMemory(nodes, kept, scratch);
  expect(plan.bytes % 64).toBe(0);
  const writers: unknown[] = Array(plan.bytes / 64);
  const pieces = (offset: number, bytes: number): number[] => {
    expect(offset % 64).toBe(0);
    expect(offset + bytes).toBeLessThanOrEqual(plan.bytes);
    return Array.from({ length: Math.ceil(bytes / 64) }, (_, i) => offset / 64 + i);
  };
  const piecesOf = (value: Value): number[] => pieces(plan.offsets.get(value)!, bytesOf(value.type));
  const expectIntact = (value: Value): void => {
    const storage = storageOf(value);
    if (storage.node === undefined) return;
    for (const piece of piecesOf(value)) expect(writers[piece]).toBe(storage);
  };
  for (const [i, node] of nodes.entries()) {
    for (const value of node.inputs) if (value) expectIntact(value);
    if (!node.op.isAlias) for (const value of node.outputs) for (const piece of piecesOf(value)) writers[piece] = value;
    if (scratch[i]! > 0) for (const piece of pieces(plan.scratch.get(i)!, scratch[i]!)) writers[piece] = 'scratch';
    // During a call its inputs, outputs and scratch exist at once.
    for (const value of [...node.inputs, ...node.outputs]) if (value) expectIntact(value);
  }
  for (const value of kept) expectIntact(value);
}

describe('planMemory', () => {
  test('no two tensors that live at once share bytes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const { nodes, kept, scratch } = build(steps);
        expectNoConflict(nodes, kept, scratch);
      }),
      { numRuns: 300 },
    );
  });

  test('a chain needs the memory of two tensors', () => {
    const graph = new Graph();
    let value = graph.apply(fill, 'first', [], { shape: [1000], value: 1 });
    for (let i = 0; i < 10; i++) value = graph.apply(add, `add ${i}`, [value, value], {});
    const plan = planMemory(graph.nodes, [value], Array(11).fill(0));
    expect(plan.bytes).toBe(2 * Math.ceil(4000 / 64) * 64);
  });

  test('an alias has the memory of what it is an alias of, and keeps that alive', () => {
    const graph = new Graph();
    const first = graph.apply(fill, 'first', [], { shape: [4, 5], value: 1 });
    const flat = graph.apply(reshape, 'flat', [first], { shape: [20] });
    const again = graph.apply(reshape, 'again', [flat], { shape: [2, 10] });
    const other = graph.apply(fill, 'other', [], { shape: [20], value: 2 });
    const sum = graph.apply(add, 'sum', [flat, other], {});
    const plan = planMemory(graph.nodes, [sum, again], Array(5).fill(0));
    expect(storageOf(again)).toBe(first);
    expect([flat, again].map((value) => plan.offsets.get(value))).toEqual(Array(2).fill(plan.offsets.get(first)));
    expect(new Set([first, other, sum].map((value) => plan.offsets.get(value))).size).toBe(3);
    expectNoConflict(graph.nodes, [sum, again], Array(5).fill(0));
  });

  test('an alias of an input has no place in the arena', () => {
    const graph = new Graph();
    const input = graph.input('x', real([6]));
    const flat = graph.apply(reshape, 'flat', [input], { shape: [2, 3] });
    const plan = planMemory(graph.nodes, [flat], [0]);
    expect(storageOf(flat)).toBe(input);
    expect(plan.offsets.has(flat)).toBe(false);
    expect(plan.bytes).toBe(0);
  });
});
