/** WebGPU in a browser: the page's own. */
import type { Backend } from '../../core/backend.js';
import type { WgslKernels } from '../../core/wgsl.js';
import { SubbitError } from '../../util/errors.js';
import { openDevice } from './device.js';
import { createWebGpuBackend } from './webgpu.js';

/** Throws a SubbitError where the browser has no WebGPU, or gives it no device. */
export async function createBrowserWebGpu(kernels: WgslKernels): Promise<Backend> {
  // Types say that it is always there.
  const { gpu } = navigator as Partial<NavigatorGPU>;
  if (gpu === undefined)
    throw new SubbitError("this browser (or a page that is not https) has no WebGPU; use the backend 'wasm'");
  const device = await openDevice(gpu);
  if (device === undefined)
    throw new SubbitError("this browser has WebGPU and no graphics card for it; use the backend 'wasm'");
  return createWebGpuBackend(device, gpu.wgslLanguageFeatures, kernels);
}
