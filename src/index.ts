/** subbit: train convolutional networks at a few bits, and run them fast. */
export { openBackend } from './backends/index.js';
export { Plan, Variables } from './backends/plan.js';
export type { Backend } from './core/backend.js';
export { openData, prepareDataset } from './data/index.js';
export * from './nn/index.js';
export * from './train/index.js';
export { FormatError, SubbitError, UsageError } from './util/errors.js';
