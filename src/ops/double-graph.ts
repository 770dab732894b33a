/**
 * A graph in double, for tests of gradients: its inputs have contents, and the references run on Float64Arrays, with
 * Math.fround replaced by the identity meanwhile, so that differences of results are good to ten digits.
 */
import { Graph, type Node, type Value } from '../core/graph.js';
import { type Buffers, slotName } from '../core/op.js';
import { type Content, normal } from '../core/op-case.js';
import { real, sizeOf, type TensorType, type TypedArray } from '../core/tensor.js';
import { Philox } from '../util/philox.js';
import { gradients } from './gradients.js';

export type Data = Float64Array | Uint8Array | Int16Array | Int32Array;
export type Contents = Map<Value, Data>;

/** Runs `body` without rounding to float32. */
export function inDouble<T>(body: () => T): T {
  const { fround } = Math;
  Math.fround = (x) => x;
  try {
    return body();
  } finally {
    Math.fround = fround;
  }
}

function emptyOf(type: TensorType): Data {
  const arrays = { f32: Float64Array, u8: Uint8Array, i16: Int16Array, i32: Int32Array };
  return new arrays[type.dtype](sizeOf(type.shape));
}

/** Runs nodes on what `inputs` gives; returns that and everything they computed. */
export function runInDouble(nodes: readonly Node[], inputs: Contents): Contents {
  const contents = new Map(inputs);
  const runNode = ({ op, inputs: operands, attributes, outputs }: Node): void => {
    const buffers: Record<string, Data> = {};
    for (const [i, slot] of op.inputs.map(slotName).entries()) {
      const operand = operands[i];
      if (operand) buffers[slot] = contents.get(operand)!;
    }
    for (const [i, slot] of op.outputs.entries()) {
      buffers[slot] = emptyOf(outputs[i]!.type);
      contents.set(outputs[i]!, buffers[slot]);
    }
    const types = operands.map((operand) => operand?.type);
    // The references only index their arrays, so doubles do where they expect floats.
    op.reference(buffers as unknown as Buffers, op.pack(types, attributes));
  };
  inDouble(() => nodes.forEach(runNode));
  return contents;
}

export class DoubleGraph {
  readonly graph = new Graph();
  readonly contents: Contents = new Map();

  input(type: TensorType, content: Content = normal()): Value {
    const name = `input ${this.contents.size}`;
    const value = this.graph.input(name, type);
    const data = emptyOf(type);
    content(data as unknown as TypedArray, new Philox(1, name), []);
    this.contents.set(value, data);
    return value;
  }

  real(shape: readonly number[], content?: Content): Value {
    return this.input(real(shape), content);
  }

  /** A quantized input with a dynamic scale. */
  scaled(type: TensorType, content: Content, scale: Value): Value {
    const levels = this.input(type, content);
    const value = { ...levels, scale };
    this.contents.set(value, this.contents.get(levels)!);
    return value;
  }

  /** Adds the gradients of the last node's inputs by its rule, for the given gradients of its outputs. */
  differentiate(dOutputs: readonly (Value | undefined)[], wanted?: readonly number[]): (Value | undefined)[] {
    const node = this.graph.nodes.at(-1)!;
    const wants = (input: number): boolean => wanted?.includes(input) ?? true;
    return gradients[node.op.name]!.gradient({ graph: this.graph, node, dOutputs, wants });
  }

  results(): Contents {
    return runInDouble(this.graph.nodes, this.contents);
  }
}
