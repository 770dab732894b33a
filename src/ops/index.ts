/**
 * The list of operations: those of the runtime (runtime.ts) first, then those of training. A new one is a folder here and a line
 * below; its place in the list is its code in the kernels.
 */
import type { AnyOp } from '../core/op.js';
import { activate, activateGradient } from './activation/activation.js';
import {
  batchNormalize,
  batchNormGradient,
  batchNormGradientSums,
  batchStatistics,
  updateRunningStatistics,
} from './batch-norm/batch-norm.js';
import { concatGradient } from './concat/concat.js';
import { conv2d, conv2dFilterGradient, conv2dInputGradient } from './conv2d/conv2d.js';
import { dropout } from './dropout/dropout.js';
import { add, addBias, fill, sumRows } from './elementwise/elementwise.js';
import { filterOffsets, reverseFilter } from './filter/filter.js';
import { conv2dFilterGradientDot } from './filter-gradient/filter-gradient.js';
import { measureCeiling } from './measure-ceiling/measure-ceiling.js';
import { addDequantized } from './normalize-quantize/add-dequantized.js';
import { normalizeQuantize } from './normalize-quantize/normalize-quantize.js';
import {
  normalizeQuantizeGradient,
  normalizeQuantizeGradientLevels,
  normalizeQuantizeGradientSums,
} from './normalize-quantize/normalize-quantize-gradient.js';
import { adamStep, sgdStep } from './optimizer/optimizer.js';
import { averagePool, averagePoolGradient } from './pool/average-pool.js';
import { maxPool, maxPoolGradient } from './pool/pool.js';
import { dequantize, quantizeUnit } from './quantize/activations.js';
import { maxAbsPerSample, quantizeBackward, quantizeGradient } from './quantize/gradients.js';
import { beginScale, learnedScale, quantizeScaled, quantizeScaledGradient } from './quantize/learned.js';
import { combineScales } from './quantize/scales.js';
import { signGradient } from './quantize/signs.js';
import { quantizeTernary, ternaryScale } from './quantize/ternary.js';
import {
  maxAbsTanh,
  meanAbs,
  meanAbsPerChannel,
  quantizeSign,
  quantizeTanh,
  quantizeTanhGradient,
} from './quantize/weights.js';
import { conv2dFilterGradientRouted, conv2dLevels, routedBiasGradient } from './routed-conv2d/routed-conv2d.js';
import { rprelu, rpreluGradient } from './rprelu/rprelu.js';
import { runtimeOps } from './runtime.js';
import { assign } from './selection/assign.js';
import { codewordGradient, planGradient } from './selection/codeword-gradient.js';
import { groupFilters, groupFiltersGradient } from './selection/group-filters.js';
import { addGumbelNoise } from './selection/gumbel-noise.js';
import { renewPatterns } from './selection/renew-patterns.js';
import { selectedCodewords } from './selection/selected-codewords.js';
import { sinkhorn, sinkhornGradient } from './selection/sinkhorn.js';
import { strideShortcutGradient } from './shortcut/shortcut.js';
import { softmaxCrossEntropy, softmaxCrossEntropyGradient } from './softmax/softmax.js';

const list: readonly AnyOp[] = [
  ...Object.values(runtimeOps),
  conv2d,
  conv2dInputGradient,
  conv2dFilterGradient,
  conv2dFilterGradientDot,
  reverseFilter,
  filterOffsets,
  conv2dLevels,
  routedBiasGradient,
  conv2dFilterGradientRouted,
  add,
  addBias,
  sumRows,
  fill,
  activate,
  activateGradient,
  rprelu,
  rpreluGradient,
  batchStatistics,
  batchNormalize,
  updateRunningStatistics,
  batchNormGradientSums,
  batchNormGradient,
  meanAbs,
  meanAbsPerChannel,
  quantizeSign,
  maxAbsTanh,
  quantizeTanh,
  quantizeTanhGradient,
  quantizeUnit,
  dequantize,
  quantizeBackward,
  maxAbsPerSample,
  quantizeGradient,
  combineScales,
  beginScale,
  learnedScale,
  quantizeScaled,
  quantizeScaledGradient,
  signGradient,
  ternaryScale,
  quantizeTernary,
  maxPool,
  maxPoolGradient,
  averagePool,
  averagePoolGradient,
  strideShortcutGradient,
  concatGradient,
  dropout,
  softmaxCrossEntropy,
  softmaxCrossEntropyGradient,
  sgdStep,
  adamStep,
  normalizeQuantize,
  normalizeQuantizeGradientSums,
  normalizeQuantizeGradient,
  normalizeQuantizeGradientLevels,
  addDequantized,
  groupFilters,
  groupFiltersGradient,
  codewordGradient,
  planGradient,
  addGumbelNoise,
  sinkhorn,
  sinkhornGradient,
  assign,
  selectedCodewords,
  renewPatterns,
  measureCeiling,
];

export const ops: Readonly<Record<string, AnyOp>> = Object.fromEntries(list.map((op) => [op.name, op]));
