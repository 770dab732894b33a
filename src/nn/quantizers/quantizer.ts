/** What a quantizer is: a few nodes of the graph. A new one is one file here and one line in `index.ts`. */
import type { Value } from '../../core/graph.js';
import type { Scope } from '../scope.js';

/** From a real tensor to a quantized one (or another real one). `name` prefixes the nodes; `bits` is 1..8. */
export interface Quantizer {
  readonly name: string;
  readonly description: string;
  /** The only number of bits that it has. @default any */
  readonly bits?: number;
  /** Of activations: has a bounded function of its own and takes x without clip or cabs in front. @default false */
  readonly isBounding?: boolean;
  quantize(scope: Scope, name: string, x: Value, bits: number): Value;
}
