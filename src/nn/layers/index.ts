/** The layers. A new one is a file here and a line below. */
export { activation, clip, relu } from './activation.js';
export { type BatchNormOptions, batchNorm } from './batch-norm.js';
export { concat, preActivated, residual, sequential, stridedShortcut } from './combine.js';
export { type ConvOptions, conv, dense, flatten } from './conv.js';
export { dropout } from './dropout.js';
export { type NormalizeOptions, normalize } from './normalize.js';
export { averagePool, globalAverage, maxPool, type PoolOptions } from './pool.js';
export { prelu, rprelu } from './rprelu.js';
export type { Padding } from './window.js';
