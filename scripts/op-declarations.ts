/** What generate-ops-header.mjs needs of src; it bundles this file on the fly, because it runs before there is a dist. */
export { signatureOf } from '../src/backends/signature.js';
export { pascalName, slotName } from '../src/core/op.js';
export { ops } from '../src/ops/index.js';
export { runtimeOps } from '../src/ops/runtime.js';
