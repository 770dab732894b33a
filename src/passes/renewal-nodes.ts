/**
 * The nodes of a training graph that only a renewal of the selection needs: those that choose codewords, and those that lead the gradient
 * to the logits (or patterns) and step them. Every other step leaves them out and goes on with the ids there are.
 */
import { type Graph, type Node, operandsOf, type Value } from '../core/graph.js';
import { assign } from '../ops/selection/assign.js';
import { renewPatterns } from '../ops/selection/renew-patterns.js';
import { prune } from './prune.js';

export function renewalNodes(graph: Graph): ReadonlySet<Node> {
  const selected = new Set<Value>();
  for (const { value, role } of graph.variables.values()) if (role === 'selection') selected.add(value);
  const isRoot = ({ op, inputs }: Node): boolean =>
    op === assign || op === renewPatterns || (op.mutates !== undefined && selected.has(inputs[0]!));
  const renewing = new Set<Node>();
  const needed = new Set<Value>(graph.outputs.values());
  for (const node of prune(graph).reverse()) {
    const isNeeded = node.op.mutates !== undefined || node.outputs.some((value) => needed.has(value));
    if (isRoot(node) || !isNeeded) renewing.add(node);
    else for (const value of operandsOf(node)) needed.add(value);
  }
  return renewing;
}
