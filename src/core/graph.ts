/**
 * The graph: typed nodes with static shapes and named variables, in execution order. Training, inference, export and
 * inspection all read it.
 *
 * A Value is the result of a node, an input (written by the host before a run), a variable (lives across runs) or a constant. A
 * quantized value may carry its dynamic `scale`, another value, so that code which builds a network handles one thing.
 */
import { SubbitError } from '../util/errors.js';
import { type AnyOp, isOptional, type Op, type ParamSpec, slotName } from './op.js';
import { describe, type TensorType, type TypedArray } from './tensor.js';

export interface Value {
  readonly id: number;
  readonly name: string;
  readonly type: TensorType;
  /** The f32 tensor that multiplies step * integer; only on quantized values. */
  readonly scale?: Value;
  /** The node that computes it; absent on inputs, variables and constants. */
  readonly node?: Node;
}

export interface Node {
  readonly op: AnyOp;
  readonly name: string;
  readonly inputs: readonly (Value | undefined)[];
  // biome-ignore lint/suspicious/noExplicitAny: each op states its own attributes.
  readonly attributes: any;
  readonly outputs: readonly Value[];
}

/** The values whose memory a node reads: an alias op gives its first input another type and reads nothing. */
export function operandsOf({ op, inputs }: Node): readonly Value[] {
  return (op.isAlias ? inputs.slice(0, 1) : inputs).filter((value) => value !== undefined);
}

export interface Variable {
  readonly value: Value;
  /**
   * parameter: trained; selection: trained in steps that renew the selection of codewords; state: kept in checkpoints but not
   * trained (running statistics, optimizer moments).
   */
  readonly role: 'parameter' | 'selection' | 'state';
  /** Fills the initial contents (zeroed memory on entry). */
  readonly initialize: (data: TypedArray) => void;
  /** L2 coefficient that the optimizer adds for this parameter, relative to the run's weight decay. @default 0 */
  readonly decay: number;
}

export class Graph {
  readonly nodes: Node[] = [];
  readonly inputs: Map<string, Value> = new Map();
  readonly variables: Map<string, Variable> = new Map();
  /** Values that never change, with their contents. */
  readonly constants: Map<Value, TypedArray> = new Map();
  readonly outputs: Map<string, Value> = new Map();
  #nextId = 0;

  /** A tensor that the host writes before every run. */
  input(name: string, type: TensorType): Value {
    if (this.inputs.has(name)) throw new SubbitError(`the graph has two inputs named '${name}'; rename one`);
    const value: Value = { id: this.#nextId++, name, type };
    this.inputs.set(name, value);
    return value;
  }

  /** A named tensor that lives across runs. */
  variable(
    name: string,
    type: TensorType,
    options: { role: Variable['role']; initialize?: Variable['initialize']; decay?: number },
  ): Value {
    if (this.variables.has(name))
      throw new SubbitError(`the network has two variables named '${name}'; rename a layer`);
    const value: Value = { id: this.#nextId++, name, type };
    this.variables.set(name, {
      value,
      role: options.role,
      initialize: options.initialize ?? (() => {}),
      decay: options.decay ?? 0,
    });
    return value;
  }

  /** A tensor whose contents are known now and stay; a plan computes what depends on constants alone once. */
  constant(name: string, type: TensorType, data: TypedArray): Value {
    const value: Value = { id: this.#nextId++, name, type };
    this.constants.set(value, data);
    return value;
  }

  /**
   * Adds a node and returns its outputs; optional inputs at the end may be left out. `scales[i]` becomes the dynamic scale of
   * output i. Throws a SubbitError when the types do not fit.
   */
  add<A, S extends ParamSpec>(
    op: Op<A, S>,
    name: string,
    inputs: readonly (Value | undefined)[],
    attributes: NoInfer<A>,
    scales: readonly (Value | undefined)[] = [],
  ): Value[] {
    for (const [i, slot] of op.inputs.entries()) {
      if (inputs[i] === undefined && !isOptional(slot)) {
        throw new SubbitError(`${name}: ${op.name} needs its input '${slotName(slot)}'`);
      }
    }
    let types: TensorType[];
    try {
      types = op.infer(
        inputs.map((value) => value?.type),
        attributes,
      );
    } catch (error) {
      if (error instanceof SubbitError) error.message = `${name}: ${error.message}`;
      throw error;
    }
    const outputs: Value[] = [];
    const allSlots = op.inputs.map((_, i) => inputs[i]);
    const node: Node = { op: op as AnyOp, name, inputs: allSlots, attributes, outputs };
    for (const [i, type] of types.entries()) {
      const suffix = i === 0 ? '' : `.${op.outputs[i]}`;
      const scale = scales[i];
      outputs.push({ id: this.#nextId++, name: name + suffix, type, node, ...(scale === undefined ? {} : { scale }) });
    }
    this.nodes.push(node);
    return outputs;
  }

  /** `add` for the many ops of which one wants the first output. */
  apply<A, S extends ParamSpec>(
    op: Op<A, S>,
    name: string,
    inputs: readonly (Value | undefined)[],
    attributes: NoInfer<A>,
    scale?: Value,
  ): Value {
    return this.add(op, name, inputs, attributes, [scale])[0]!;
  }

  /** Makes a value readable by name after a run. */
  output(name: string, value: Value): void {
    if (this.outputs.has(name)) throw new SubbitError(`the graph has two outputs named '${name}'; rename one`);
    this.outputs.set(name, value);
  }

  /** One line per node, for people. */
  toString(): string {
    const label = (value: Value | undefined): string => (value === undefined ? '-' : `%${value.id}`);
    return this.nodes
      .map((node) => {
        const outputs = node.outputs.map((value) => `%${value.id}: ${describe(value.type)}`).join(', ');
        return `${outputs} = ${node.op.name}(${node.inputs.map(label).join(', ')})  # ${node.name}`;
      })
      .join('\n');
  }
}
