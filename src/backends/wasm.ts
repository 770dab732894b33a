/**
 * The kernels as a WebAssembly module, for browsers and for Node without the native addon (scripts/build-wasm.mjs).
 *
 * All memory is one shared WebAssembly memory, which the module's own heap deals out. Every further thread is a worker
 * with an instance of the same module over the same memory: it gets a stack of its own from that heap, then calls
 * `SubbitWork` and stays inside C++, where it waits for tasks without any message from JavaScript. Where memory may not be
 * shared, a `single` module over plain memory serves, on one thread.
 *
 * What depends on the platform (where the module's bytes are, how a worker is started) is a WasmPlatform; this file runs
 * in Node and in a browser alike.
 */
import { runtimeOps } from '../ops/runtime.js';
import { SubbitError, UsageError } from '../util/errors.js';
import type { CpuMemory, KernelHost, KernelModule } from './cpu.js';

export interface WasmPlatform {
  readonly module: WebAssembly.Module;
  /** Starts a worker that runs `source` with `data`. Absent: the module is a `single` one. */
  startWorker?(source: string, data: WorkerData): { stop(): void };
}

export interface WorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly engine: number;
  readonly thread: number;
  readonly stackTop: number;
}

/** (func (result v128) (i8x16.relaxed_swizzle (i8x16.splat (i32.const 0)) (i8x16.splat (i32.const 0)))) */
const relaxedProbe = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x0a, 0x0f, 0x01, 0x0d, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0xfd, 0x80, 0x02, 0x0b],
);

/** The instruction sets that this engine has, the best first. Each is a module of its own. */
export function engineIsas(): readonly ('relaxed' | 'simd128')[] {
  return WebAssembly.validate(relaxedProbe) ? ['relaxed', 'simd128'] : ['simd128'];
}

/** Which of the files of scripts/build-wasm.mjs is for these ops. */
export function moduleFile(ops: KernelModule['ops'], isa: string, { isShared = true } = {}): string {
  const parts = [ops === runtimeOps ? 'runtime' : 'subbit', ...(isShared ? [] : ['single'])];
  return `${[...parts, ...(isa === 'relaxed' ? ['relaxed'] : [])].join('-')}.wasm`;
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
  /** Not of `single` modules. */
  SubbitStop?(engine: number): void;
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
  readonly #isShared: boolean;
  readonly #exports: Exports;
  readonly #engine: number;
  readonly #workers: { stop(): void }[] = [];

  constructor(platform: WasmPlatform, memory: WebAssembly.Memory, exports: Exports, isa: number, threads: number) {
    this.#memory = memory;
    this.#exports = exports;
    const { startWorker } = platform;
    this.#isShared = startWorker !== undefined;
    if (startWorker === undefined && threads > 1)
      throw new UsageError(`without shared memory the WebAssembly kernels have one thread, not ${threads}`);
    this.#engine = exports.SubbitOpen(isa, threads);
    for (let thread = 1; thread < threads; thread++) {
      const stackTop = this.allocate(stackBytes).address + stackBytes;
      const data = { module: platform.module, memory, engine: this.#engine, thread, stackTop };
      this.#workers.push(startWorker!(workerSource, data));
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
    const memory = this.#memory;
    // Shared memory may have grown in another thread; growing by nothing makes this one's buffer see it.
    if (this.#isShared) memory.grow(0);
    return {
      // Plain memory that grows (in a run, too, when a kernel wants scratch) detaches its buffer and has another.
      get buffer() {
        return memory.buffer;
      },
      byteOffset: address,
      bytes,
      address,
    };
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
    this.#exports.SubbitStop?.(this.#engine);
    for (const worker of this.#workers) worker.stop();
  }
}

/** Some devices do not even reserve addresses for the maximum. */
function createMemory(isShared: boolean): WebAssembly.Memory {
  for (let maximum = maximumPages; ; maximum /= 4) {
    try {
      return new WebAssembly.Memory({ initial: initialPages, maximum, shared: isShared });
    } catch (error) {
      if (maximum <= initialPages) throw error;
    }
  }
}

function textAt(memory: WebAssembly.Memory, address: number): string {
  const bytes = new Uint8Array(memory.buffer, address >>> 0);
  return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
}

/** `ops` are those that the module was built with. */
export async function wasmModule(platform: WasmPlatform, ops: KernelModule['ops']): Promise<KernelModule> {
  const memory = createMemory(platform.startWorker !== undefined);
  // Not by the constructor, which browsers keep from their main thread for large modules.
  const instance = await WebAssembly.instantiate(platform.module, { env: { memory } });
  const exports = instance.exports as unknown as Exports;
  return {
    ops,
    signature: exports.SubbitSignature() >>> 0,
    isas: Array.from({ length: exports.SubbitNumIsas() }, (_, i) => textAt(memory, exports.SubbitIsaName(i))),
    open: (isa, threads) => new WasmHost(platform, memory, exports, isa, threads),
  };
}
