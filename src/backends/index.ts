/** The list of backends, with all ops. A new one is a file here and an entry below; its name is a choice of --backend. */
import type { Backend } from '../core/backend.js';
import { type BackendList, type OpenBackendOptions, openFrom, referenceEntry } from './open.js';

export type { BackendEntry, BackendName, BackendOptions, OpenBackendOptions } from './open.js';

// Loaded when asked for: two of them need Node, and none needs the others' files.
const native = () => import('./native.js');
const wasm = () => import('./wasm-node.js');
const webGpu = () => import('./webgpu/webgpu-node.js');
const allOps = async () => (await import('../ops/index.js')).ops;

export const backends = {
  native: {
    description: 'C++ kernels compiled for this machine',
    isas: async () => (await native()).nativeIsas(),
    create: async (options) => (await native()).createNative(await allOps(), options),
  },
  wasm: {
    description: 'the same C++ kernels in WebAssembly (SIMD, threads)',
    isas: async () => (await wasm()).wasmIsas(await allOps()),
    create: async (options) => (await wasm()).createWasm(await allOps(), options),
  },
  webgpu: {
    description: 'kernels in WGSL on a GPU (needs the package webgpu)',
    isas: async () => (await webGpu()).webGpuIsas(),
    create: async () => (await webGpu()).createNodeWebGpu((await import('../ops/wgsl.js')).allWgsl),
  },
  reference: referenceEntry,
} as const satisfies BackendList;

/** Opens a backend. Throws a UsageError for an unknown name or option, a SubbitError when it is not built. */
export function openBackend(options: OpenBackendOptions = {}): Promise<Backend> {
  return openFrom(backends, options);
}
