/** The list of WGSL kernels of all ops: those of the runtime (wgsl-runtime.ts), then those of training. A new one is a line below. */
import type { WgslKernels } from '../core/wgsl.js';
import { concatGradientWgsl } from './concat/concat.wgsl.js';
import { elementwiseWgsl } from './elementwise/elementwise.wgsl.js';
import { shortcutGradientWgsl } from './shortcut/shortcut.wgsl.js';
import { runtimeWgsl } from './wgsl-runtime.js';

export const allWgsl: WgslKernels = new Map([
  ...runtimeWgsl,
  ...elementwiseWgsl,
  ...concatGradientWgsl,
  ...shortcutGradientWgsl,
]);
