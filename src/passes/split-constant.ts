/**
 * Finds the nodes that depend on constants alone: a plan runs them once, when it is made (packing of filters), and not again.
 * A node without inputs belongs to every run, because what it writes may be overwritten by then.
 */
import type { Graph, Node, Value } from '../core/graph.js';
import { storageOf } from './plan-memory.js';

export interface ConstantSplit {
  /** Nodes to run once, in order. */
  readonly once: readonly Node[];
  /** Nodes of every run, in order. */
  readonly running: readonly Node[];
  /** Constants and results of `once` that a run or an output reads: they stay. */
  readonly kept: ReadonlySet<Value>;
  /** All other constants that `once` reads, and its results: they go when it is done. */
  readonly passing: ReadonlySet<Value>;
}

export function splitConstant(graph: Graph, nodes: readonly Node[]): ConstantSplit {
  const constant = new Set<Value>(graph.constants.keys());
  const once: Node[] = [];
  const running: Node[] = [];
  for (const node of nodes) {
    const inputs = node.inputs.filter((value) => value !== undefined);
    const isConstant =
      inputs.length > 0 && node.op.mutates === undefined && inputs.every((value) => constant.has(storageOf(value)));
    (isConstant ? once : running).push(node);
    if (isConstant) for (const value of node.outputs) constant.add(value);
  }
  const kept = new Set<Value>();
  for (const node of running)
    for (const value of node.inputs) if (value && constant.has(storageOf(value))) kept.add(storageOf(value));
  for (const value of graph.outputs.values()) if (constant.has(storageOf(value))) kept.add(storageOf(value));
  const passing = new Set<Value>();
  for (const node of once)
    for (const value of [...node.inputs, ...node.outputs])
      if (value && !kept.has(storageOf(value))) passing.add(storageOf(value));
  return { once, running, kept, passing };
}
