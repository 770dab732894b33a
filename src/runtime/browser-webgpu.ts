/** What a browser fetches when a page wants the GPU: the backend and the kernels in WGSL, one file. */
export { createBrowserWebGpu } from '../backends/webgpu/webgpu-browser.js';
export { runtimeWgsl } from '../ops/wgsl-runtime.js';
