/** The list of WGSL kernels of deployed networks' ops (runtime.ts). A new one is a line below. */
import type { WgslKernels } from '../core/wgsl.js';
import { concatWgsl } from './concat/concat.wgsl.js';
import { integerWgsl } from './integer/integer.wgsl.js';
import { integerConv2dWgsl } from './integer-conv2d/integer-conv2d.wgsl.js';
import { codebookWgsl } from './packed-conv2d/codebook.wgsl.js';
import { dotWgsl } from './packed-conv2d/dot.wgsl.js';
import { planesWgsl } from './packed-conv2d/planes.wgsl.js';
import { tablesWgsl } from './packed-conv2d/tables.wgsl.js';
import { shortcutWgsl } from './shortcut/shortcut.wgsl.js';

export const runtimeWgsl: WgslKernels = new Map([
  ...integerConv2dWgsl,
  ...integerWgsl,
  ...shortcutWgsl,
  ...concatWgsl,
  ...planesWgsl,
  ...tablesWgsl,
  ...dotWgsl,
  ...codebookWgsl,
]);
