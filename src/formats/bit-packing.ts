/**
 * Numbers of a few bits (levels, codewords, indices) in a row of bits: element i takes bits i * bits .. (i + 1) * bits - 1, its
 * lowest bit first; bit t of the row is bit t % 8 (from the lowest) of byte floor(t / 8). What is left of the last byte is 0.
 */
import type { Encoding } from '../core/tensor.js';

/** The bits that a level of this encoding takes in a file: log2(max + 1) where that is an integer, else 8. */
export function packedBits({ max }: Encoding): number {
  const bits = Math.log2(max + 1);
  return Number.isInteger(bits) ? bits : 8;
}

export function packedBytes(elements: number, bits: number): number {
  return Math.ceil((elements * bits) / 8);
}

/** `levels` are below 2^bits, bits in 1 .. 16. */
export function packBits(levels: ArrayLike<number>, bits: number): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(packedBytes(levels.length, bits));
  let held = 0;
  let numHeld = 0;
  let at = 0;
  for (let i = 0; i < levels.length; i++) {
    held |= levels[i]! << numHeld;
    numHeld += bits;
    for (; numHeld >= 8; numHeld -= 8) {
      packed[at++] = held & 255;
      held >>= 8;
    }
  }
  if (numHeld > 0) packed[at] = held;
  return packed;
}

/** Fills `levels` from `packedBytes(levels.length, bits)` bytes; undefined when a bit after the last one is set. */
export function unpackBits<T extends Uint8Array | Uint16Array>(
  packed: Uint8Array,
  levels: T,
  bits: number,
): T | undefined {
  const mask = 2 ** bits - 1;
  let held = 0;
  let numHeld = 0;
  let at = 0;
  for (let i = 0; i < levels.length; i++) {
    for (; numHeld < bits; numHeld += 8) held |= packed[at++]! << numHeld;
    levels[i] = held & mask;
    held >>= bits;
    numHeld -= bits;
  }
  return held === 0 ? levels : undefined;
}
