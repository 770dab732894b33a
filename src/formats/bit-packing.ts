/**
 * Levels of a few bits in a row of bits: element i takes bits i * bits .. (i + 1) * bits - 1, its lowest bit first; bit t of the
 * row is bit t % 8 (from the lowest) of byte floor(t / 8). What is left of the last byte is 0.
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

/** `levels` are below 2^bits, bits in 1 .. 8. */
export function packBits(levels: ArrayLike<number>, bits: number): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(packedBytes(levels.length, bits));
  let held = 0;
  let numHeld = 0;
  let at = 0;
  for (let i = 0; i < levels.length; i++) {
    held |= levels[i]! << numHeld;
    numHeld += bits;
    if (numHeld < 8) continue;
    packed[at++] = held & 255;
    held >>= 8;
    numHeld -= 8;
  }
  if (numHeld > 0) packed[at] = held;
  return packed;
}

/** The levels of `packedBytes(elements, bits)` bytes; undefined when a bit after the last one is set. */
export function unpackBits(packed: Uint8Array, elements: number, bits: number): Uint8Array<ArrayBuffer> | undefined {
  const levels = new Uint8Array(elements);
  const mask = 2 ** bits - 1;
  let held = 0;
  let numHeld = 0;
  let at = 0;
  for (let i = 0; i < elements; i++) {
    if (numHeld < bits) {
      held |= packed[at++]! << numHeld;
      numHeld += 8;
    }
    levels[i] = held & mask;
    held >>= bits;
    numHeld -= bits;
  }
  return held === 0 ? levels : undefined;
}
