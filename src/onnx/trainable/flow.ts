/**
 * How the values of an evaluation graph hang together: who reads which, and where branches part. Every tensor of ours lies in layers
 * that hold each other, so a value that two branches end in needs the one value where both began: the nearest that all ways from
 * the image to it go through (its dominator; Cooper, Harvey and Kennedy 2001).
 */
import type { Graph, Node, Value } from '../../core/graph.js';

export class Flow {
  readonly #graph: Graph;
  readonly #readers = new Map<Value, Node[]>();
  /** Of values that are computed: the nearest one that all ways to it go through, and how many of them there are. */
  readonly #dominators = new Map<Value, { readonly value: Value; readonly depth: number }>();

  /** Of a graph without variables. */
  constructor(graph: Graph) {
    this.#graph = graph;
    for (const node of graph.nodes) {
      const inputs = this.inputsOf(node);
      for (const input of new Set(inputs)) this.#readers.set(input, [...this.readersOf(input), node]);
      const value = inputs.reduce((a, b) => this.fork(a, b));
      for (const output of node.outputs) this.#dominators.set(output, { value, depth: this.#depthOf(value) + 1 });
    }
  }

  /** What a node reads that depends on the image. */
  inputsOf({ inputs }: Node): [Value, ...Value[]] {
    return inputs.filter((value) => value !== undefined && !this.#graph.constants.has(value)) as [Value, ...Value[]];
  }

  readersOf(value: Value): readonly Node[] {
    return this.#readers.get(value) ?? [];
  }

  /** The nearest value that all ways from the image to both go through. */
  fork(a: Value, b: Value): Value {
    let [left, right] = [a, b];
    while (left !== right) {
      if (this.#depthOf(left) < this.#depthOf(right)) [left, right] = [right, left];
      left = this.#dominators.get(left)!.value;
    }
    return left;
  }

  #depthOf(value: Value): number {
    return this.#dominators.get(value)?.depth ?? 0;
  }
}
