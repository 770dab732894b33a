/**
 * What a backend does: give memory, and run calls of ops on tensors in that memory. Everything else (liveness, order,
 * variables) is the plan's business and the same for all backends.
 */
import type { AnyOp, ParamSpec, ParamValues } from './op.js';
import type { TensorType } from './tensor.js';

/**
 * A piece of a backend's memory, 64-byte aligned, zeroed. `buffer` is what the host sees of it: the memory itself, or on a device
 * with its own a copy, which `Backend.write` and `Backend.read` keep equal.
 */
export interface Memory {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
  readonly bytes: number;
}

/** A tensor's place. */
export interface TensorPlace {
  readonly memory: Memory;
  /** From the start of `memory`, a multiple of 64. */
  readonly byteOffset: number;
  readonly type: TensorType;
}

/** One call of an op: buffers are inputs, then outputs, then scratch (when the op wants some). */
export interface Call {
  readonly op: AnyOp;
  readonly params: ParamValues<ParamSpec>;
  readonly buffers: readonly (TensorPlace | undefined)[];
}

export interface Program {
  /** Runs calls first .. end - 1 in order; all of them by default. */
  run(first?: number, end?: number): void;
  dispose(): void;
}

export interface Backend {
  readonly name: string;
  /** Instruction set in use: 'avx512', 'avx2', 'portable', 'simd128', or 'typescript' for the reference. */
  readonly isa: string;
  readonly threads: number;
  allocate(bytes: number): Memory;
  free(memory: Memory): void;
  /** Bytes of scratch memory that the kernel of an op wants; types are those of inputs and outputs. */
  scratchBytes(call: Omit<Call, 'buffers'> & { readonly types: readonly (TensorType | undefined)[] }): number;
  /** What the host wrote to these places is there for the calls that follow. Absent where the host writes to the memory itself. */
  write?(places: Iterable<TensorPlace>): void;
  /** The host sees what the calls so far have left in these places. Absent where the host sees the memory itself. */
  read?(places: Iterable<TensorPlace>): Promise<void>;
  prepare(calls: readonly Call[]): Program;
  dispose(): void;
}
