/**
 * Bit-widths of a layer's three products: weights W, input activations A, gradients of the output G, written W-A-G
 * ("1-2-4"). 32 means float. A layer's A is the bit-width of what goes into it: the three belong to the operands of its
 * forward product (W x A), input gradient (W x G) and weight gradient (A x G).
 */
import { UsageError } from '../util/errors.js';

export interface Bits {
  /** 1 .. 8, or 32 */
  readonly weight: number;
  /** 1 .. 8, or 32 */
  readonly activation: number;
  /** 2 .. 8, or 32 */
  readonly gradient: number;
}

export const floatBits: Bits = { weight: 32, activation: 32, gradient: 32 };

/** Parses "1-2-4". Throws a UsageError that says which of the three is wrong. */
export function parseBits(text: string): Bits {
  const match = /^(\d+)-(\d+)-(\d+)$/.exec(text);
  if (match === null) {
    throw new UsageError(`bits must be written W-A-G, like 1-2-4 (32 = float), not '${text}'`);
  }
  const [weight, activation, gradient] = match.slice(1).map(Number) as [number, number, number];
  requireBits('weight', weight, 1, text);
  requireBits('activation', activation, 1, text);
  // A 1-bit gradient has only the levels -max and +max; the paper's tables begin at 2.
  requireBits('gradient', gradient, 2, text);
  return { weight, activation, gradient };
}

function requireBits(role: string, bits: number, lowest: number, text: string): void {
  if (bits !== 32 && (bits < lowest || bits > 8)) {
    throw new UsageError(`${role} bits must be ${lowest} to 8, or 32 for float, not ${bits} (in '${text}')`);
  }
}

export function formatBits(bits: Bits): string {
  return `${bits.weight}-${bits.activation}-${bits.gradient}`;
}
