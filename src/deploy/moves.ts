/** Ops that move elements without computing, on integers. Quantization is monotone, so maxima may be taken after it. */
import type { Graph, Node, Value } from '../core/graph.js';
import { reshape } from '../ops/elementwise/elementwise.js';
import { integerMaxPool } from '../ops/integer/integer-pool.js';
import { maxPool } from '../ops/pool/pool.js';
import { strideShortcut } from '../ops/shortcut/shortcut.js';

export function isMove({ op }: Node): boolean {
  return op.name === maxPool.name || op.name === strideShortcut.name || op.name === reshape.name;
}

/** A chain up to the reshapes at its end, and these. */
export function beforeReshapes(chain: readonly Node[]): readonly [readonly Node[], readonly Node[]] {
  const end = chain.findLastIndex(({ op }) => op.name !== reshape.name) + 1;
  return [chain.slice(0, end), chain.slice(end)];
}

export function moved(graph: Graph, { op, name, attributes }: Node, value: Value): Value {
  if (op.name === maxPool.name) return graph.apply(integerMaxPool, name, [value], attributes);
  return graph.apply(op, name, [value], attributes as never);
}
