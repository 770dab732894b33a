/** What write-cases.mjs needs of src; it bundles this file on the fly. */
export { signatureOf } from '../src/backends/signature.js';
export { slotName } from '../src/core/op.js';
export { type OpCase, resultSlots, runReference } from '../src/core/op-case.js';
export { cases } from '../src/ops/cases.js';
export { ops } from '../src/ops/index.js';
export { runtimeOps } from '../src/ops/runtime.js';
