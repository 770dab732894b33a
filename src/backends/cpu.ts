/**
 * The C++ kernels as a backend, native or WebAssembly: calls become commands in memory that both sides see (layout:
 * native/abi.h), and one call from TypeScript runs any number of consecutive commands.
 *
 * What differs between the two is a KernelHost: where memory comes from and how the ABI's functions are reached.
 */
import type { Backend, Call, Memory, Program } from '../core/backend.js';
import type { AnyOp, ParamKind } from '../core/op.js';
import type { Operand } from '../core/tensor.js';
import { SubbitError, UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';
import { signatureOf } from './signature.js';

/** Memory that the kernels can reach. */
export interface CpuMemory extends Memory {
  /** As the kernels see it; a multiple of 64. */
  readonly address: number;
}

export interface KernelHost {
  readonly pointerBytes: 4 | 8;
  hasKernel(opCode: number): boolean;
  allocate(bytes: number): CpuMemory;
  free(memory: CpuMemory): void;
  /** Runs `count` consecutive commands. */
  execute(address: number, count: number): void;
  /** Stops the threads; the memory that is left goes with the host. */
  close(): void;
}

/** Kernels that are loaded, and opened for an instruction set and a number of threads. */
export interface KernelModule {
  /** The ops that it is used for, by code: all of them, or the first ones, which are the inference runtime's. */
  readonly ops: Readonly<Record<string, AnyOp>>;
  /** Of the declarations of `ops` that it was compiled for. */
  readonly signature: number;
  /** What is compiled in and what this machine has, the best first. */
  readonly isas: readonly string[];
  open(isa: number, threads: number): KernelHost;
}

export interface CpuOptions {
  /** 1 .. 256. @default one per core */
  readonly threads?: number | undefined;
  /** Instruction set. @default the best that this machine has */
  readonly isa?: string | undefined;
}

export const maxThreads = 256;

/** Opens kernels as a backend. Throws a UsageError for options that do not fit. */
export function createCpuBackend(
  name: string,
  module: KernelModule,
  options: { readonly threads: number; readonly isa?: string | undefined },
): Backend {
  if (module.signature !== signatureOf(module.ops)) {
    throw new SubbitError(
      `the ${name} kernels were built from other sources than this subbit; run: npx subbit build-native (in a clone: npm run build)`,
    );
  }
  const { threads, isa = module.isas[0]! } = options;
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= maxThreads)) {
    throw new UsageError(`threads must be an integer in 1..${maxThreads}, not ${threads}`);
  }
  const isaIndex = lookUp(
    Object.fromEntries(module.isas.map((each, i) => [each, i])),
    isa,
    `instruction set of the ${name} kernels`,
  );
  const opCodes = new Map(Object.values(module.ops).map((op, i) => [op, i]));
  return new CpuBackend({ name, isa, threads }, module.open(isaIndex, threads), opCodes);
}

class CpuBackend implements Backend {
  readonly name: string;
  readonly isa: string;
  readonly threads: number;
  readonly #host: KernelHost;
  readonly #opCodes: ReadonlyMap<AnyOp, number>;
  /** What was allocated and not freed; also tells this backend's memory from others'. */
  readonly #memories = new Map<Memory, CpuMemory>();

  constructor(
    identity: { name: string; isa: string; threads: number },
    host: KernelHost,
    opCodes: ReadonlyMap<AnyOp, number>,
  ) {
    this.name = identity.name;
    this.isa = identity.isa;
    this.threads = identity.threads;
    this.#host = host;
    this.#opCodes = opCodes;
  }

  allocate(bytes: number): Memory {
    const memory = this.#host.allocate(bytes);
    this.#memories.set(memory, memory);
    return memory;
  }

  free(memory: Memory): void {
    this.#host.free(this.#own(memory));
    this.#memories.delete(memory);
  }

  scratchBytes({ op, params }: Pick<Call, 'op' | 'params'>): number {
    return op.scratchBytes?.(params) ?? 0;
  }

  prepare(calls: readonly Call[]): Program {
    const layouts = calls.map((call) => layOut(call, this.#codeOf(call.op), this.#host.pointerBytes));
    const starts: number[] = [];
    let bytes = 0;
    for (const layout of layouts) {
      starts.push(bytes);
      bytes += layout.bytes;
    }
    const commands = this.#host.allocate(Math.max(bytes, 1));
    const view = new DataView(commands.buffer as ArrayBuffer, commands.byteOffset, bytes);
    for (const [i, call] of calls.entries()) {
      const addresses = call.buffers.map((place) => place && this.#own(place.memory).address + place.byteOffset);
      writeCommand(view, starts[i]!, layouts[i]!, call, addresses);
    }
    const host = this.#host;
    return {
      run(first = 0, end = calls.length) {
        if (first < end) host.execute(commands.address + starts[first]!, end - first);
      },
      dispose: () => host.free(commands),
    };
  }

  dispose(): void {
    for (const memory of this.#memories.values()) this.#host.free(memory);
    this.#memories.clear();
    this.#host.close();
  }

  #own(memory: Memory): CpuMemory {
    const own = this.#memories.get(memory);
    if (own === undefined) throw new SubbitError(`this memory is not (or no longer) of this ${this.name} backend`);
    return own;
  }

  #codeOf(op: AnyOp): number {
    const code = this.#opCodes.get(op);
    if (code === undefined || !this.#host.hasKernel(code)) throw new SubbitError(`no cpu kernel for the op ${op.name}`);
    return code;
  }
}

const wordsOf: Readonly<Record<ParamKind, number>> = { i32: 1, f32: 1, operand: 6 };
const headerBytes = 16;

interface CommandLayout {
  readonly opCode: number;
  readonly pointerBytes: 4 | 8;
  readonly paramsOffset: number;
  readonly bytes: number;
}

function layOut({ op }: Call, opCode: number, pointerBytes: 4 | 8): CommandLayout {
  const numBuffers = op.inputs.length + op.outputs.length + 1;
  const paramsOffset = headerBytes + numBuffers * pointerBytes;
  const paramKinds = Object.values(op.params) as ParamKind[];
  const paramBytes = 4 * paramKinds.reduce((words, kind) => words + wordsOf[kind], 0);
  return { opCode, pointerBytes, paramsOffset, bytes: Math.ceil((paramsOffset + paramBytes) / 8) * 8 };
}

/** Writes one command at `start`. Addresses that are absent stay null. */
function writeCommand(
  view: DataView,
  start: number,
  layout: CommandLayout,
  call: Call,
  addresses: readonly (number | undefined)[],
): void {
  view.setUint32(start, layout.opCode, true);
  view.setUint32(start + 4, layout.paramsOffset, true);
  view.setUint32(start + 8, layout.bytes, true);
  for (const [i, address = 0] of addresses.entries()) {
    const at = start + headerBytes + i * layout.pointerBytes;
    if (layout.pointerBytes === 8) view.setBigUint64(at, BigInt(address), true);
    else view.setUint32(at, address, true);
  }
  let at = start + layout.paramsOffset;
  for (const [name, kind] of Object.entries(call.op.params) as [string, ParamKind][]) {
    const value: number | Operand = call.params[name]!;
    if (typeof value !== 'number') writeOperand(view, at, value);
    else if (kind === 'f32') view.setFloat32(at, value, true);
    else view.setInt32(at, value, true);
    at += 4 * wordsOf[kind];
  }
}

function writeOperand(view: DataView, at: number, operand: Operand): void {
  const words = [operand.isReal ? 1 : 0, operand.multiplier, ...operand.offset];
  for (const [i, word] of words.entries()) view.setInt32(at + 4 * i, word, true);
}
