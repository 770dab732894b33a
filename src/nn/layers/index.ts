/** The layers. A new one is a file here and a line below. */
export { activation, relu } from './activation.js';
export { type BatchNormOptions, batchNorm } from './batch-norm.js';
export { preActivated, residual, sequential, stridedShortcut } from './combine.js';
export { type ConvOptions, conv, dense, flatten } from './conv.js';
export { dropout } from './dropout.js';
export { globalAverage, maxPool } from './pool.js';
export { rprelu } from './rprelu.js';
export type { Padding } from './window.js';
