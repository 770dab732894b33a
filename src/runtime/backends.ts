/** The backends of the inference runtime in Node: the same kernels, without those of training. */
import type { BackendList } from '../backends/open.js';
import { referenceEntry } from '../backends/open.js';
import { runtimeOps } from '../ops/runtime.js';

const native = () => import('../backends/native.js');
const wasm = () => import('../backends/wasm-node.js');
const webGpu = () => import('../backends/webgpu/webgpu-node.js');

export const runtimeBackends: BackendList = {
  native: {
    description: 'C++ kernels compiled for this machine',
    isas: async () => (await native()).nativeIsas(),
    create: async (options) => (await native()).createNative(runtimeOps, options),
  },
  wasm: {
    description: 'the same C++ kernels in WebAssembly (SIMD, threads)',
    isas: async () => (await wasm()).wasmIsas(runtimeOps),
    create: async (options) => (await wasm()).createWasm(runtimeOps, options),
  },
  webgpu: {
    description: 'kernels in WGSL on a GPU (needs the package webgpu)',
    isas: async () => (await webGpu()).webGpuIsas(),
    create: async () => (await webGpu()).createNodeWebGpu((await import('../ops/wgsl-runtime.js')).runtimeWgsl),
  },
  reference: referenceEntry,
};
