/**
 * A number for the list of ops as compiled kernels see it: order, slots and params. The generated header carries it into
 * the kernels (scripts/generate-ops-header.mjs), and whoever loads them compares, because kernels that were built for
 * another list would read other structs and compute wrong numbers without any error.
 */
import type { AnyOp } from '../core/op.js';
import { streamOf } from '../util/philox.js';

export function signatureOf(ops: Readonly<Record<string, AnyOp>>): number {
  const lines = Object.values(ops).map((op) => {
    const params = Object.entries(op.params).map(([name, kind]) => `${name}:${kind}`);
    return `${op.name}(${op.inputs})->(${op.outputs})[${params}]`;
  });
  return streamOf(lines.join('\n'));
}
