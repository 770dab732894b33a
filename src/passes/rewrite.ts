/**
 * A graph copied node by node, with other nodes in the place of some: what passes that choose kernels have in common.
 *
 * The pass walks `nodes` in order and for each either copies it, leaves it out, or adds nodes of its own to `target` and says
 * with `replace` what they stand for. Inputs and variables are copied first, constants when they are read.
 */
import { Graph, type Node, type Value } from '../core/graph.js';
import { SubbitError } from '../util/errors.js';
import { prune } from './prune.js';

export class Rewrite {
  readonly target = new Graph();
  /** The needed nodes of the source, in execution order. */
  readonly nodes: readonly Node[];
  readonly #source: Graph;
  readonly #outputs: ReadonlySet<Value>;
  readonly #values = new Map<Value, Value | (() => Value)>();
  readonly #readers = new Map<Value, Node[]>();

  constructor(source: Graph) {
    this.#source = source;
    this.#outputs = new Set(source.outputs.values());
    this.nodes = prune(source);
    for (const node of this.nodes) {
      for (const value of node.inputs) {
        if (value) this.#readers.set(value, [...(this.#readers.get(value) ?? []), node]);
      }
    }
    for (const [name, value] of source.inputs) this.#values.set(value, this.target.input(name, value.type));
    for (const [name, { value, ...variable }] of source.variables) {
      this.#values.set(value, this.target.variable(name, value.type, variable));
    }
  }

  /** Says what a value of the source is in the target; a function is asked when the value is first read. */
  replace(value: Value, by: Value | (() => Value)): void {
    this.#values.set(value, by);
  }

  /** The target's value for one of the source. */
  valueOf(value: Value): Value {
    const known = this.#values.get(value);
    const found = typeof known === 'function' ? known() : (known ?? this.#constant(value));
    this.#values.set(value, found);
    return found;
  }

  #constant(value: Value): Value {
    const data = this.#source.constants.get(value);
    if (data === undefined) throw new SubbitError(`${value.name}: read before it is computed`);
    return this.target.constant(value.name, value.type, data);
  }

  copy(node: Node): void {
    const inputs = node.inputs.map((value) => value && this.valueOf(value));
    const scales = node.outputs.map(({ scale }) => scale && this.valueOf(scale));
    const outputs = this.target.add(node.op, node.name, inputs, node.attributes as never, scales);
    for (const [i, value] of node.outputs.entries()) this.replace(value, outputs[i]!);
  }

  /** A node that reads the value in two slots is there twice. */
  readersOf(value: Value): readonly Node[] {
    return this.#readers.get(value) ?? [];
  }

  /** Whether the source's outputs have the value. */
  isOutput(value: Value): boolean {
    return this.#outputs.has(value);
  }

  /** The node that alone reads a value, unless the value is an output. */
  onlyReader(value: Value): Node | undefined {
    const readers = this.readersOf(value);
    return readers.length === 1 && !this.isOutput(value) ? readers[0] : undefined;
  }

  /** Copies the outputs and returns the target. */
  finish(): Graph {
    for (const [name, value] of this.#source.outputs) this.target.output(name, this.valueOf(value));
    return this.target;
  }
}
