/**
 * A number for the list of ops as compiled kernels see it: order, slots, params and scratch. The generated header carries it into
 * the kernels (scripts/generate-ops-header.mjs), and whoever loads them compares, because kernels that were built for
 * another list would read other structs and compute wrong numbers without any error.
 */
import type { AnyOp } from '../core/op.js';
import { streamOf } from '../util/philox.js';

export function signatureOf(ops: Readonly<Record<string, AnyOp>>): number {
  const lines = Object.values(ops).map((op) => {
    const params = Object.entries(op.params).map(([name, kind]) => `${name}:${kind}`);
    return `${op.name}(${op.inputs})->(${op.outputs})[${params}]${scratchProbe(op)}`;
  });
  return streamOf(lines.join('\n'));
}

/** Scratch that the op asks for when its params are small different primes: tells most changes of the formula. */
function scratchProbe(op: AnyOp): number {
  if (op.scratchBytes === undefined) return 0;
  const primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71];
  const params = Object.fromEntries(Object.keys(op.params).map((name, i) => [name, primes[i % primes.length]!]));
  return op.scratchBytes(params);
}
