/** WebGPU in Node: Dawn, through the optional package `webgpu`, on whatever Vulkan, Metal or Direct3D driver the machine has. */
import type { Backend } from '../../core/backend.js';
import type { WgslKernels } from '../../core/wgsl.js';
import { SubbitError } from '../../util/errors.js';
import { openDevice } from './device.js';
import { createWebGpuBackend } from './webgpu.js';

/** Kept for the life of the process: devices end with the object that they came from. */
let gpu: Promise<GPU | undefined> | undefined;

/** Undefined when the package is not installed. */
function loadGpu(): Promise<GPU | undefined> {
  gpu ??= import('webgpu').then(
    ({ create }) => create([]),
    () => undefined,
  );
  return gpu;
}

/** None without the package, or without a driver. */
export async function webGpuIsas(): Promise<readonly string[]> {
  const adapter = await (await loadGpu())?.requestAdapter();
  return adapter ? ['wgsl'] : [];
}

/** A GPU and what it gives. */
export interface AdapterReport {
  readonly name: string;
  readonly limits: { readonly memoryBytes: number; readonly lanes: number; readonly groupBytes: number };
}

/** Undefined without the package, or without a driver. */
export async function describeWebGpu(): Promise<AdapterReport | undefined> {
  const adapter = await (await loadGpu())?.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return undefined;
  const { info, limits } = adapter;
  const name = info.device || info.description || [info.vendor, info.architecture].filter(Boolean).join(' ');
  return {
    name,
    limits: {
      memoryBytes: Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize),
      lanes: limits.maxComputeInvocationsPerWorkgroup,
      groupBytes: limits.maxComputeWorkgroupStorageSize,
    },
  };
}

export async function createNodeWebGpu(kernels: WgslKernels): Promise<Backend> {
  const found = await loadGpu();
  if (found === undefined)
    throw new SubbitError("WebGPU in Node needs the optional package 'webgpu'; run: npm install webgpu");
  const device = await openDevice(found);
  if (device === undefined) {
    throw new SubbitError(
      'no GPU driver was found; install one for Vulkan (a software one: VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json with the packages chromium and libvulkan1)',
    );
  }
  return createWebGpuBackend(device, found.wgslLanguageFeatures, kernels);
}
