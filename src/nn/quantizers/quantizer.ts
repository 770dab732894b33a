/** What a quantizer is: a few nodes of the graph. A new one is one file here and one line in `index.ts`. */
import type { Value } from '../../core/graph.js';
import { UsageError } from '../../util/errors.js';
import type { Scope } from '../scope.js';

/** From a real tensor to a quantized one (or another real one). `name` prefixes the nodes; `bits` is 1..8. */
export interface Quantizer {
  readonly name: string;
  readonly description: string;
  /** The numbers of bits that it has, ends included. @default any, and it may be chosen for float layers */
  readonly bits?: readonly [least: number, most: number];
  /** Of activations: has a bounded function of its own and takes x without clip or cabs in front. @default false */
  readonly isBounding?: boolean;
  quantize(scope: Scope, name: string, x: Value, bits: number): Value;
}

export type QuantizerRole = 'weight' | 'activation';

/** Throws a UsageError when the quantizer does not have so many bits. `of`: the layer whose they are, or the network's bits as written. */
export function requireBits(
  role: QuantizerRole,
  { name, bits: own }: Quantizer,
  bits: number,
  of: { readonly layer: string } | { readonly bits: string },
): void {
  if (own === undefined || (bits >= own[0] && bits <= own[1])) return;
  const [least, most] = own;
  const has = most === 1 ? '1 bit' : least === most ? `${least} bits` : `${least} to ${most} bits`;
  const remedy = `use ${role === 'weight' ? `${least}-A-G` : `W-${least}-G`} or dorefa`;
  const isOfLayer = 'layer' in of;
  throw new UsageError(
    `${isOfLayer ? `${of.layer}: ` : ''}the ${role} quantizer ${name} has ${has}, so ${isOfLayer ? "the layer's " : ''}${role} bits cannot be ${bits}${isOfLayer ? '' : ` (in '${of.bits}')`}; ${remedy}`,
  );
}
