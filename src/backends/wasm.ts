/**
 * The kernels as a WebAssembly module, for browsers and for Node without the native addon (scripts/build-wasm.mjs).
 *
 * All memory is one shared WebAssembly memory, which the module's own heap deals out. Every further thread is a worker
 * with an instance of the same module over the same memory: it gets a stack of its own from that heap, then calls
 * `SubbitWork` and stays inside C++, where it waits for tasks without any message from JavaScript.
 *
 * What depends on the platform (where the module's bytes are, how a worker is started) is a WasmPlatform; this file runs
 * in Node and in a browser alike.
 */
import { SubbitError } from '../util/errors.js';
import type { CpuMemory, KernelHost, KernelModule } from './cpu.js';

export interface WasmPlatform {
  readonly module: WebAssembly.Module;
  /** Starts a worker that runs `workerSource` with `data`. */
  startWorker(source: string, data: WorkerData): { stop(): void };
}

export interface WorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly engine: number;
  readonly thread: number;
  readonly stackTop: number;
}

/** The exports of native/abi.h. Pointers come as signed 32-bit integers. */
interface Exports {
  SubbitSignature(): number;
  SubbitNumIsas(): number;
  SubbitIsaName(isa: number): number;
  SubbitHasKernel(opCode: number): number;
  SubbitOpen(isa: number, threads: number): number;
  SubbitExecute(engine: number, address: number, count: number): number;
  SubbitAllocate(bytes: number): number;
  SubbitFree(address: number): void;
  SubbitStop(engine: number): void;
}

/** As in scripts/build-wasm.mjs: 4 MiB to begin with, and up to 4 GiB. */
const initialPages = 64;
const maximumPages = 65536;
const maximumBytes = 2 ** 32 - 2 ** 18;
const stackBytes = 1 << 20;

/**
 * What a worker runs, with `data` from the platform. A trap must not leave the caller waiting for a task that
 * will never be done.
 */
export const workerSource = `
const { module, memory, engine, thread, stackTop } = data;
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
exports.__stack_pointer.value = stackTop;
try {
  exports.SubbitWork(engine, thread);
} catch (error) {
  exports.SubbitFail(engine);
  throw error;
}`;

class WasmHost implements KernelHost {
  readonly pointerBytes = 4;
  readonly #memory: WebAssembly.Memory;
  readonly #exports: Exports;
  readonly #engine: number;
  readonly #workers: { stop(): void }[] = [];

  constructor(platform: WasmPlatform, memory: WebAssembly.Memory, exports: Exports, isa: number, threads: number) {
    this.#memory = memory;
    this.#exports = exports;
    this.#engine = exports.SubbitOpen(isa, threads);
    for (let thread = 1; thread < threads; thread++) {
      const stackTop = this.allocate(stackBytes).address + stackBytes;
      const data = { module: platform.module, memory, engine: this.#engine, thread, stackTop };
      this.#workers.push(platform.startWorker(workerSource, data));
    }
  }

  hasKernel(opCode: number): boolean {
    return this.#exports.SubbitHasKernel(opCode) !== 0;
  }

  allocate(bytes: number): CpuMemory {
    const address = bytes > maximumBytes ? 0 : this.#exports.SubbitAllocate(bytes) >>> 0;
    if (address === 0) {
      throw new SubbitError(
        `out of memory: WebAssembly has no ${bytes} bytes left; use a smaller batch or the native kernels`,
      );
    }
    // The memory may have grown in another thread; growing by nothing makes this one's buffer see it.
    this.#memory.grow(0);
    return { buffer: this.#memory.buffer, byteOffset: address, bytes, address };
  }

  free(memory: CpuMemory): void {
    this.#exports.SubbitFree(memory.address);
  }

  execute(address: number, count: number): void {
    if (this.#exports.SubbitExecute(this.#engine, address, count) === 0) {
      throw new SubbitError(
        'a thread of the WebAssembly kernels has died, probably out of memory; use a smaller batch',
      );
    }
  }

  close(): void {
    this.#exports.SubbitStop(this.#engine);
    for (const worker of this.#workers) worker.stop();
  }
}

function instantiate(module: WebAssembly.Module): { memory: WebAssembly.Memory; exports: Exports } {
  const memory = new WebAssembly.Memory({ initial: initialPages, maximum: maximumPages, shared: true });
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return { memory, exports: instance.exports as unknown as Exports };
}

function textAt(memory: WebAssembly.Memory, address: number): string {
  const bytes = new Uint8Array(memory.buffer, address >>> 0);
  return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
}

export function wasmModule(platform: WasmPlatform): KernelModule {
  const { memory, exports } = instantiate(platform.module);
  return {
    signature: exports.SubbitSignature() >>> 0,
    isas: Array.from({ length: exports.SubbitNumIsas() }, (_, i) => textAt(memory, exports.SubbitIsaName(i))),
    open: (isa, threads) => new WasmHost(platform, memory, exports, isa, threads),
  };
}
