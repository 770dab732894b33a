/** The kernels as a Node-API addon, compiled on this machine by scripts/build-native.mjs (bindings: native/node.cc). */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import type { Backend } from '../core/backend.js';
import type { AnyOp } from '../core/op.js';
import { runtimeOps } from '../ops/runtime.js';
import { SubbitError } from '../util/errors.js';
import { builtFile } from './built-file.js';
import { type CpuMemory, type CpuOptions, createCpuBackend, type KernelHost, type KernelModule } from './cpu.js';

interface Addon {
  readonly signature: number;
  /** Of `runtimeOps`, the first of its ops. */
  readonly runtimeSignature: number;
  readonly isas: readonly string[];
  addressOf(buffer: ArrayBuffer): number;
  release(buffer: ArrayBuffer): void;
  hasKernel(opCode: number): boolean;
  open(isa: number, threads: number): number;
  close(engine: number): void;
  execute(engine: number, address: number, count: number): boolean;
}

const alignment = 64;

class NativeHost implements KernelHost {
  readonly pointerBytes = 8;
  readonly #addon: Addon;
  readonly #engine: number;

  constructor(addon: Addon, isa: number, threads: number) {
    this.#addon = addon;
    this.#engine = addon.open(isa, threads);
  }

  hasKernel(opCode: number): boolean {
    return this.#addon.hasKernel(opCode);
  }

  allocate(bytes: number): CpuMemory {
    const buffer = allocateBuffer(bytes + alignment);
    const start = this.#addon.addressOf(buffer);
    const address = Math.ceil(start / alignment) * alignment;
    return { buffer, byteOffset: address - start, bytes, address };
  }

  free(memory: CpuMemory): void {
    this.#addon.release(memory.buffer as ArrayBuffer);
  }

  execute(address: number, count: number): void {
    this.#addon.execute(this.#engine, address, count);
  }

  close(): void {
    this.#addon.close(this.#engine);
  }
}

function allocateBuffer(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch {
    throw new SubbitError(`out of memory: ${bytes} bytes wanted; use a smaller batch`);
  }
}

/** Undefined when it is not built. */
function loadAddon(): Addon | undefined {
  const file = builtFile('native/subbit.node');
  if (file === undefined) return undefined;
  try {
    return createRequire(import.meta.url)(file) as Addon;
  } catch (error) {
    throw new SubbitError(`the native kernels do not load: ${(error as Error).message}; run: npm run build`);
  }
}

/** None when the addon is not built. */
export function nativeIsas(): readonly string[] {
  return loadAddon()?.isas ?? [];
}

/** `ops` are all ops, or those of the inference runtime. */
export function createNative(ops: Readonly<Record<string, AnyOp>>, options: CpuOptions = {}): Backend {
  const addon = loadAddon();
  if (addon === undefined) {
    throw new SubbitError('the native kernels are not built; run: npm run build (it needs g++ or clang++)');
  }
  const module: KernelModule = {
    ops,
    signature: ops === runtimeOps ? addon.runtimeSignature : addon.signature,
    isas: addon.isas,
    open: (isa, threads) => new NativeHost(addon, isa, threads),
  };
  return createCpuBackend('native', module, { ...options, threads: options.threads ?? availableParallelism() });
}
