/** The list of backends. A new one is a file here and an entry below; its name is a choice of --backend. */
import type { Backend } from '../core/backend.js';
import { lookUp } from '../util/nearest.js';
import { createReference } from './reference.js';

export interface BackendOptions {
  /** @default one per core */
  readonly threads?: number | undefined;
  /** Instruction set, where a backend has several. @default the environment's SUBBIT_ISA, else the best of this machine */
  readonly isa?: string | undefined;
}

export interface BackendEntry {
  readonly description: string;
  /** The instruction sets that it has here, the best first; none when it is not built. */
  isas(): Promise<readonly string[]>;
  create(options?: BackendOptions): Promise<Backend>;
}

// Loaded when asked for: two of them need Node, and none needs the others' files.
const native = () => import('./native.js');
const wasm = () => import('./wasm-node.js');

export const backends = {
  native: {
    description: 'C++ kernels compiled for this machine',
    isas: async () => (await native()).nativeIsas(),
    create: async (options) => (await native()).createNative(options),
  },
  wasm: {
    description: 'the same C++ kernels in WebAssembly (SIMD, threads)',
    isas: async () => (await wasm()).wasmIsas(),
    create: async (options) => (await wasm()).createWasm(options),
  },
  reference: {
    description: 'plain TypeScript loops, slow: the specification',
    isas: async () => ['typescript'],
    create: async ({ isa = 'typescript' } = {}) => {
      lookUp({ typescript: true }, isa, 'instruction set of the reference');
      return createReference();
    },
  },
} as const satisfies Record<string, BackendEntry>;

export type BackendName = keyof typeof backends;

export interface OpenBackendOptions extends BackendOptions {
  /** @default native, or wasm with a notice where native is not built */
  readonly backend?: string | undefined;
  /** Takes lines that a person should see. @default standard error */
  readonly onNotice?: (line: string) => void;
}

/** Opens a backend. Throws a UsageError for an unknown name or option, a SubbitError when it is not built. */
export async function openBackend(options: OpenBackendOptions = {}): Promise<Backend> {
  const { threads, isa = globalThis.process?.env.SUBBIT_ISA, onNotice = console.error } = options;
  const name = options.backend ?? (await defaultBackend(onNotice));
  return lookUp<BackendEntry>(backends, name, 'backend').create({ threads, isa });
}

async function defaultBackend(onNotice: (line: string) => void): Promise<BackendName> {
  if ((await backends.native.isas()).length > 0) return 'native';
  onNotice(
    'the native kernels are not built, so the slower WebAssembly ones serve (npm run build makes them; it needs g++ or clang++)',
  );
  return 'wasm';
}
