/** subbit/nn: layers, quantizers, presets, and graphs of networks. */
export type { Graph, Node, Value } from '../core/graph.js';
export { type Bits, floatBits, formatBits, parseBits } from './bits.js';
export * from './layers/index.js';
export { type Preset, presets, type TrainingDefaults } from './models/index.js';
export {
  buildGraph,
  defineNetwork,
  type NetworkDefinition,
  type NetworkDescription,
  type NetworkGraph,
} from './network.js';
export { activationQuantizers, gradientQuantizers, type Quantizer, weightQuantizers } from './quantizers/index.js';
export { heNormal, type Initializer, type Layer, ones, Scope, type ScopeOptions, zeros } from './scope.js';
export { type LayerSummary, type NetworkSummary, summarize } from './summary.js';
