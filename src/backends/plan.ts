/**
 * A graph made ready to run on a backend: dead nodes left out, what depends on constants alone computed, memory planned, one
 * list of calls over fixed buffers. The host writes inputs and reads outputs through typed arrays over that memory; a run
 * allocates nothing. Where kernels have memory that the host does not see (a GPU), a run takes along the inputs that were written
 * since the last one, and `read` waits for the outputs.
 */
import type { Backend, Call, Memory, Program, TensorPlace } from '../core/backend.js';
import type { Graph, Node, Value, Variable } from '../core/graph.js';
import { arrayOf, bytesOf, describe, type TensorType, type TypedArray } from '../core/tensor.js';
import { planMemory, storageOf } from '../passes/plan-memory.js';
import { prune } from '../passes/prune.js';
import { splitConstant } from '../passes/split-constant.js';
import { SubbitError } from '../util/errors.js';

/** Variables live outside the plans, so that a training and an evaluation plan share them. */
export class Variables {
  readonly backend: Backend;
  readonly #places = new Map<string, TensorPlace>();
  readonly #roles = new Map<string, Variable['role']>();

  constructor(backend: Backend) {
    this.backend = backend;
  }

  /** Where a graph's variable is; makes and initialises it on first sight. */
  place(variable: Variable): TensorPlace {
    const { name, type } = variable.value;
    const known = this.#places.get(name);
    if (known !== undefined) {
      if (describe(known.type) !== describe(type)) {
        throw new SubbitError(
          `variable ${name} is ${describe(known.type)} in one graph and ${describe(type)} in another`,
        );
      }
      return known;
    }
    const place: TensorPlace = { memory: this.backend.allocate(bytesOf(type)), byteOffset: 0, type };
    variable.initialize(viewOf(place));
    this.backend.write?.([place]);
    this.#places.set(name, place);
    this.#roles.set(name, variable.role);
    return place;
  }

  /** Name, shape, contents (the memory itself, not a copy) and role of every variable. */
  *entries(): Generator<{ name: string; shape: readonly number[]; data: TypedArray; role: Variable['role'] }> {
    for (const [name, place] of this.#places) {
      yield { name, shape: place.type.shape, data: viewOf(place), role: this.#roles.get(name)! };
    }
  }

  /** Brings what runs have left in the variables into the host's sight; to be awaited before they are looked at. */
  async read(): Promise<void> {
    await this.backend.read?.(this.#places.values());
  }

  /** What the host wrote to variables is there for the runs that follow; to be called after they were written. */
  write(): void {
    this.backend.write?.(this.#places.values());
  }

  /** The contents of one variable, or undefined. */
  get(name: string): TypedArray | undefined {
    const place = this.#places.get(name);
    return place && viewOf(place);
  }

  dispose(): void {
    for (const place of this.#places.values()) this.backend.free(place.memory);
    this.#places.clear();
  }
}

export interface CompileOptions {
  /** Keeps every tensor readable by name after a run, at the cost of memory. @default false */
  readonly keepAll?: boolean;
}

function packParams(node: Node): Call['params'] {
  const types = node.inputs.map((value) => value?.type);
  return node.op.pack(types, node.attributes);
}

function scratchOf(backend: Backend, { op, inputs, outputs }: Node, params: Call['params']): number {
  return op.isAlias
    ? 0
    : backend.scratchBytes({ op, params, types: [...inputs, ...outputs].map((value) => value?.type) });
}

export class Plan {
  readonly backend: Backend;
  /** The nodes behind the calls, in order. */
  readonly nodes: readonly Node[];
  /** Bytes of memory for inputs, constants and intermediate tensors (variables not counted). */
  readonly bytes: number;
  readonly #program: Program;
  readonly #memories: Memory[];
  readonly #readable = new Map<string, TensorPlace>();
  readonly #views = new Map<string, TypedArray>();
  readonly #inputs: ReadonlySet<string>;
  /** Inputs whose memory was handed out since the last run. */
  readonly #written = new Set<TensorPlace>();

  constructor(graph: Graph, variables: Variables, options: CompileOptions = {}) {
    this.backend = variables.backend;
    const { once, running, kept: constants, passing } = splitConstant(graph, prune(graph));
    const packed = running.map(packParams);
    const scratchBytes = running.map((node, i) => scratchOf(this.backend, node, packed[i]!));
    const kept = options.keepAll ? running.flatMap((node) => node.outputs) : [...graph.outputs.values()];
    const memoryPlan = planMemory(running, kept, scratchBytes);
    const arena = this.backend.allocate(Math.max(memoryPlan.bytes, 64));
    this.#memories = [arena];
    const sources = new Map<Value, TensorPlace>();
    for (const variable of graph.variables.values()) sources.set(variable.value, variables.place(variable));
    for (const value of [...graph.inputs.values(), ...constants]) sources.set(value, this.#allocate(value));
    for (const [value, data] of graph.constants) if (constants.has(value)) this.#fill(sources.get(value)!, data);
    if (once.length > 0) this.#runOnce(once, passing, sources, graph);

    const placeOf = (value: Value): TensorPlace => {
      const source = sources.get(storageOf(value));
      if (source !== undefined) return { ...source, type: value.type };
      return { memory: arena, byteOffset: memoryPlan.offsets.get(value)!, type: value.type };
    };
    const calls: Call[] = [];
    const nodes: Node[] = [];
    for (const [i, node] of running.entries()) {
      if (node.op.isAlias) continue;
      const buffers = [...node.inputs, ...node.outputs].map((value) => value && placeOf(value));
      const scratch = memoryPlan.scratch.get(i);
      if (scratch !== undefined) {
        buffers.push({ memory: arena, byteOffset: scratch, type: { dtype: 'u8', shape: [scratchBytes[i]!] } });
      }
      calls.push({ op: node.op, params: packed[i]!, buffers });
      nodes.push(node);
    }
    this.nodes = nodes;
    this.#program = this.backend.prepare(calls);
    this.bytes = this.#memories.reduce((sum, memory) => sum + memory.bytes, 0);
    for (const [name, value] of [...graph.inputs, ...graph.outputs]) this.#readable.set(name, placeOf(value));
    this.#inputs = new Set(graph.inputs.keys());
    if (options.keepAll) for (const value of kept) this.#readable.set(value.name, placeOf(value));
  }

  #fill(place: TensorPlace, data: TypedArray): void {
    viewOf(place).set(data);
    this.backend.write?.([place]);
  }

  /** Memory of its own for a value, until the plan goes. */
  #allocate(value: Value): TensorPlace {
    const memory = this.backend.allocate(bytesOf(value.type));
    this.#memories.push(memory);
    return { memory, byteOffset: 0, type: value.type };
  }

  /** Runs the nodes that depend on constants alone; what no run reads is freed again. */
  #runOnce(
    nodes: readonly Node[],
    passing: ReadonlySet<Value>,
    sources: ReadonlyMap<Value, TensorPlace>,
    graph: Graph,
  ): void {
    const places = new Map(sources);
    const memories: Memory[] = [];
    const temporary = (bytes: number): Memory => {
      const memory = this.backend.allocate(bytes);
      memories.push(memory);
      return memory;
    };
    for (const value of passing) {
      const place = { memory: temporary(bytesOf(value.type)), byteOffset: 0, type: value.type };
      places.set(value, place);
      const data = graph.constants.get(value);
      if (data !== undefined) this.#fill(place, data);
    }
    const calls = nodes
      .filter((node) => !node.op.isAlias)
      .map((node): Call => {
        const params = packParams(node);
        const buffers = [...node.inputs, ...node.outputs].map(
          (value) => value && { ...places.get(storageOf(value))!, type: value.type },
        );
        const scratchBytes = scratchOf(this.backend, node, params);
        if (scratchBytes > 0) {
          const type: TensorType = { dtype: 'u8', shape: [scratchBytes] };
          buffers.push({ memory: temporary(scratchBytes), byteOffset: 0, type });
        }
        return { op: node.op, params, buffers };
      });
    const program = this.backend.prepare(calls);
    program.run();
    program.dispose();
    for (const memory of memories) this.backend.free(memory);
  }

  #placeOf(name: string): TensorPlace {
    const place = this.#readable.get(name);
    if (place !== undefined) return place;
    throw new SubbitError(`the plan has no tensor '${name}' to read (it has ${[...this.#readable.keys()].join(', ')})`);
  }

  /**
   * The memory of an input or output (with `keepAll`, of any tensor) by name; for this moment only, as memory may grow in a run. Inputs
   * are written into it, anew before each run that is to see what was written; outputs are in it once `read` has brought them.
   */
  tensor(name: string): TypedArray {
    const place = this.#placeOf(name);
    if (this.#inputs.has(name)) this.#written.add(place);
    const known = this.#views.get(name);
    // WebAssembly memory that has grown has another buffer.
    if (known?.buffer === place.memory.buffer) return known;
    const view = viewOf(place);
    this.#views.set(name, view);
    return view;
  }

  /** Runs the calls `first` .. `end` - 1; all of them by default. */
  run(first?: number, end?: number): void {
    if (this.#written.size > 0) this.backend.write?.(this.#written);
    this.#written.clear();
    this.#program.run(first, end);
  }

  /** Brings what the last run left in these tensors into the host's sight; all readable ones by default. */
  async read(names: Iterable<string> = this.#readable.keys()): Promise<void> {
    await this.backend.read?.(Array.from(names, (name) => this.#placeOf(name)));
  }

  dispose(): void {
    this.#program.dispose();
    for (const memory of this.#memories) this.backend.free(memory);
    this.#memories.length = 0;
  }
}

function viewOf(place: TensorPlace): TypedArray {
  return arrayOf(place.type, place.memory.buffer, place.memory.byteOffset + place.byteOffset);
}
