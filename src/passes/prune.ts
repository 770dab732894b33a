/** Leaves out the nodes that nobody needs: a node stays when a named output or an op that writes to a variable depends on it. */
import { type Graph, type Node, operandsOf, type Value } from '../core/graph.js';

/** The needed nodes in execution order. `outputs` are the graph's unless others are given. */
export function prune(graph: Graph, outputs: Iterable<Value> = graph.outputs.values()): Node[] {
  const needed = new Set<Value>(outputs);
  const kept: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (node.op.mutates === undefined && !node.outputs.some((value) => needed.has(value))) continue;
    kept.push(node);
    for (const value of operandsOf(node)) needed.add(value);
  }
  return kept.reverse();
}
