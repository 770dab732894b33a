/** The list of WGSL kernels of deployed networks' ops (runtime.ts). A new one is a line below. */
import type { WgslKernels } from '../core/wgsl.js';

export const runtimeWgsl: WgslKernels = new Map([]);
