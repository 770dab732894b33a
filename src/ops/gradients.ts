/** The list of gradients, by op. The inference runtime does not import it. An op that is missing here stops the gradient with an error. */
import type { GradientRule } from '../core/gradient.js';
import { activationGradient } from './activation/activation.grad.js';
import { activate } from './activation/activation.js';
import { batchNormalizeGradient } from './batch-norm/batch-norm.grad.js';
import { batchNormalize } from './batch-norm/batch-norm.js';
import { concatRule } from './concat/concat.grad.js';
import { concat } from './concat/concat.js';
import { conv2dGradient } from './conv2d/conv2d.grad.js';
import { conv2d } from './conv2d/conv2d.js';
import { dropoutGradient } from './dropout/dropout.grad.js';
import { dropout } from './dropout/dropout.js';
import { addBiasGradient, addGradient, reshapeGradient } from './elementwise/elementwise.grad.js';
import { add, addBias, reshape } from './elementwise/elementwise.js';
import { averagePool } from './pool/average-pool.js';
import { averagePoolRule, maxPoolRule } from './pool/pool.grad.js';
import { maxPool } from './pool/pool.js';
import { dequantize, quantizeUnit } from './quantize/activations.js';
import { quantizeBackward } from './quantize/gradients.js';
import { learnedScale, quantizeScaled } from './quantize/learned.js';
import {
  quantizeBackwardGradient,
  quantizeScaledRule,
  quantizeSignRule,
  quantizeTanhStraightThrough,
  straightThrough,
} from './quantize/quantize.grad.js';
import { quantizeTernary } from './quantize/ternary.js';
import { quantizeSign, quantizeTanh } from './quantize/weights.js';
import { rpreluRule } from './rprelu/rprelu.grad.js';
import { rprelu } from './rprelu/rprelu.js';
import { groupFilters } from './selection/group-filters.js';
import { addGumbelNoise } from './selection/gumbel-noise.js';
import { selectedCodewords } from './selection/selected-codewords.js';
import {
  addGumbelNoiseGradient,
  groupFiltersStraightThrough,
  selectedCodewordsStraightThrough,
  sinkhornRule,
} from './selection/selection.grad.js';
import { sinkhorn } from './selection/sinkhorn.js';
import { strideShortcutRule } from './shortcut/shortcut.grad.js';
import { strideShortcut } from './shortcut/shortcut.js';
import { softmaxCrossEntropyRule } from './softmax/softmax.grad.js';
import { softmaxCrossEntropy } from './softmax/softmax.js';

export const gradients: Readonly<Record<string, GradientRule>> = {
  [conv2d.name]: conv2dGradient,
  [add.name]: addGradient,
  [addBias.name]: addBiasGradient,
  [reshape.name]: reshapeGradient,
  [activate.name]: activationGradient,
  [rprelu.name]: rpreluRule,
  [batchNormalize.name]: batchNormalizeGradient,
  [quantizeSign.name]: quantizeSignRule,
  [quantizeTernary.name]: straightThrough,
  [quantizeTanh.name]: quantizeTanhStraightThrough,
  [quantizeUnit.name]: straightThrough,
  [learnedScale.name]: straightThrough,
  [quantizeScaled.name]: quantizeScaledRule,
  [dequantize.name]: straightThrough,
  [quantizeBackward.name]: quantizeBackwardGradient,
  [maxPool.name]: maxPoolRule,
  [averagePool.name]: averagePoolRule,
  [strideShortcut.name]: strideShortcutRule,
  [concat.name]: concatRule,
  [dropout.name]: dropoutGradient,
  [softmaxCrossEntropy.name]: softmaxCrossEntropyRule,
  [groupFilters.name]: groupFiltersStraightThrough,
  [addGumbelNoise.name]: addGumbelNoiseGradient,
  [sinkhorn.name]: sinkhornRule,
  [selectedCodewords.name]: selectedCodewordsStraightThrough,
};
