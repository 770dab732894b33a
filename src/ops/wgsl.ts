/** The list of WGSL kernels of all ops: those of the runtime (wgsl-runtime.ts), then those of training. A new one is a line below. */
import type { WgslKernels } from '../core/wgsl.js';
import { activationWgsl } from './activation/activation.wgsl.js';
import { batchNormWgsl } from './batch-norm/batch-norm.wgsl.js';
import { concatGradientWgsl } from './concat/concat.wgsl.js';
import { conv2dWgsl } from './conv2d/conv2d.wgsl.js';
import { dropoutWgsl } from './dropout/dropout.wgsl.js';
import { elementwiseWgsl } from './elementwise/elementwise.wgsl.js';
import { filterWgsl } from './filter/filter.wgsl.js';
import { filterGradientWgsl } from './filter-gradient/filter-gradient.wgsl.js';
import { measureCeilingWgsl } from './measure-ceiling/measure-ceiling.wgsl.js';
import { normalizeQuantizeWgsl } from './normalize-quantize/normalize-quantize.wgsl.js';
import { normalizeQuantizeGradientWgsl } from './normalize-quantize/normalize-quantize-gradient.wgsl.js';
import { optimizerWgsl } from './optimizer/optimizer.wgsl.js';
import { poolWgsl } from './pool/pool.wgsl.js';
import { activationQuantizerWgsl } from './quantize/activations.wgsl.js';
import { gradientQuantizerWgsl } from './quantize/gradients.wgsl.js';
import { learnedScaleWgsl } from './quantize/learned.wgsl.js';
import { weightQuantizerWgsl } from './quantize/weights.wgsl.js';
import { routedConv2dWgsl } from './routed-conv2d/routed-conv2d.wgsl.js';
import { rpreluWgsl } from './rprelu/rprelu.wgsl.js';
import { selectionWgsl } from './selection/selection.wgsl.js';
import { shortcutGradientWgsl } from './shortcut/shortcut.wgsl.js';
import { softmaxWgsl } from './softmax/softmax.wgsl.js';
import { runtimeWgsl } from './wgsl-runtime.js';

export const allWgsl: WgslKernels = new Map([
  ...runtimeWgsl,
  ...conv2dWgsl,
  ...filterGradientWgsl,
  ...routedConv2dWgsl,
  ...elementwiseWgsl,
  ...activationWgsl,
  ...batchNormWgsl,
  ...weightQuantizerWgsl,
  ...activationQuantizerWgsl,
  ...gradientQuantizerWgsl,
  ...learnedScaleWgsl,
  ...filterWgsl,
  ...poolWgsl,
  ...dropoutWgsl,
  ...softmaxWgsl,
  ...optimizerWgsl,
  ...normalizeQuantizeWgsl,
  ...normalizeQuantizeGradientWgsl,
  ...measureCeilingWgsl,
  ...rpreluWgsl,
  ...selectionWgsl,
  ...concatGradientWgsl,
  ...shortcutGradientWgsl,
]);
