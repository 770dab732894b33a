/** Opening a backend by name, from a list of them: all ops (index.ts), or the inference runtime's (src/runtime/backends.ts). */
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

/** What native, WebAssembly and WebGPU kernels there are, and the reference. */
export type BackendList = Readonly<Record<'native' | 'wasm' | 'webgpu' | 'reference', BackendEntry>>;

export type BackendName = keyof BackendList;

export interface OpenBackendOptions extends BackendOptions {
  /** @default native, or wasm with a notice where native is not built */
  readonly backend?: string | undefined;
  /** Takes lines that a person should see. @default standard error */
  readonly onNotice?: (line: string) => void;
}

export const referenceEntry: BackendEntry = {
  description: 'plain TypeScript loops, slow: the specification',
  isas: async () => ['typescript'],
  create: async ({ isa = 'typescript' } = {}) => {
    lookUp({ typescript: true }, isa, 'instruction set of the reference');
    return createReference();
  },
};

/** Opens a backend. Throws a UsageError for an unknown name or option, a SubbitError when it is not built. */
export async function openFrom(list: BackendList, options: OpenBackendOptions = {}): Promise<Backend> {
  const { threads, onNotice = console.error } = options;
  const name = options.backend ?? (await defaultBackend(list, onNotice));
  const entry = lookUp<BackendEntry>(list, name, 'backend');
  const { isa = entry === referenceEntry ? undefined : process.env.SUBBIT_ISA } = options;
  return entry.create({ threads, isa });
}

/** A process says once that WebAssembly serves. */
let hasSaidWasm = false;

async function defaultBackend(list: BackendList, onNotice: (line: string) => void): Promise<BackendName> {
  if ((await list.native.isas()).length > 0) return 'native';
  if (!hasSaidWasm)
    onNotice(
      'the native kernels are not built, so the slower WebAssembly ones serve (npx subbit build-native makes them; it needs g++ or clang++)',
    );
  hasSaidWasm = true;
  return 'wasm';
}
