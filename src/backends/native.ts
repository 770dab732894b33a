/**
 * The kernels as a Node-API addon (bindings: native/node.cc): compiled on this machine by scripts/build-native.mjs, or of a package
 * with the addon for a platform (scripts/pack-native.mjs), which npm installs where it fits.
 */
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

const require = createRequire(import.meta.url);

/** The addon's file: the one that was built here before the one of a platform package; undefined when there is neither. */
export function nativeFile(): string | undefined {
  const built = builtFile('native/subbit.node');
  if (built !== undefined) return built;
  try {
    return require.resolve(`${platformPackage(process.platform, process.arch)}/subbit.node`);
  } catch {
    return undefined;
  }
}

/** The optional package with the addon for a platform, in Node's names. */
export function platformPackage(platform: string, architecture: string): string {
  return `@subbit/native-${platform}-${architecture}`;
}

function loadAddon(): Addon | undefined {
  const file = nativeFile();
  if (file === undefined) return undefined;
  try {
    return require(file) as Addon;
  } catch (error) {
    throw new SubbitError(`the native kernels do not load: ${(error as Error).message}; run: npx subbit build-native`);
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
    throw new SubbitError('the native kernels are not built; run: npx subbit build-native (it needs g++ or clang++)');
  }
  const module: KernelModule = {
    ops,
    signature: ops === runtimeOps ? addon.runtimeSignature : addon.signature,
    isas: addon.isas,
    open: (isa, threads) => new NativeHost(addon, isa, threads),
  };
  return createCpuBackend('native', module, { ...options, threads: options.threads ?? availableParallelism() });
}
