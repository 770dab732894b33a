/** subbit/nn: layers, quantizers, presets, graphs of networks, and the ops that layers and quantizers of one's own are made of. */
export type { Graph, Node, Value } from '../core/graph.js';
export { activate } from '../ops/activation/activation.js';
export { batchNormalize, batchStatistics } from '../ops/batch-norm/batch-norm.js';
export { conv2d } from '../ops/conv2d/conv2d.js';
export { add, addBias, reshape } from '../ops/elementwise/elementwise.js';
export { dequantize, quantizeUnit } from '../ops/quantize/activations.js';
export { quantizeBackward } from '../ops/quantize/gradients.js';
export { beginScale, learnedScale, quantizeScaled } from '../ops/quantize/learned.js';
export { realOf } from '../ops/quantize/real.js';
export { maxAbsTanh, meanAbs, quantizeSign, quantizeTanh } from '../ops/quantize/weights.js';
export { type Bits, floatBits, formatBits, parseBits } from './bits.js';
export * from './layers/index.js';
export { type NetworkSize, type Preset, presets, type TrainingDefaults } from './models/index.js';
export {
  buildGraph,
  defineNetwork,
  type NetworkDefinition,
  type NetworkDescription,
  type NetworkGraph,
  type OwnModel,
  openNetwork,
} from './network.js';
export {
  activationQuantizers,
  gradientQuantizers,
  type Quantizer,
  type QuantizerRole,
  weightQuantizers,
} from './quantizers/index.js';
export { heNormal, type Initializer, type Layer, ones, Scope, type ScopeOptions, zeros } from './scope.js';
export { type SelectionDescription, selectionMethods, selectionStarts } from './selection.js';
export { type LayerSummary, type NetworkSummary, summarize } from './summary.js';
