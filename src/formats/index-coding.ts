/**
 * Indices into a codebook, entropy-coded: each costs about the logarithm of how rare it was so far.
 *
 * An index 0 .. n - 1 is ceil(log2 n) decisions, its bits from the highest one; a decision whose other side would be n or more is
 * none. Each decision (there is one for every prefix of bits) counts its zeros and ones and takes a zero for as probable as
 * (zeros + 1/2) / (zeros + ones + 1), the estimator of Krichevsky and Trofimov (1981), so that a file needs no table of
 * frequencies: what learning costs, about half a logarithm of the count per decision, is less than a table would.
 *
 * The coder is a range coder (Martin 1979) on these probabilities in 16 bits. The stream is the number `low`, most significant byte
 * first: an interval [low, low + range) begins as [0, 2^32), and a decision takes its lower part, floor(range / 2^16) * zero, for a
 * zero and the rest for a one. While range is below 2^24 both move on by a byte. The last four bytes are those of `low` as it then
 * stands, so that every list of indices has one stream: a decoder ends at the last byte with nothing left.
 *
 * All arithmetic is of integers below 2^53, the same everywhere.
 */
import { indexBits } from '../ops/codewords.js';

const probabilityOne = 2 ** 16;
const fullRange = 2 ** 32;
const leastRange = 2 ** 24;

/** The counts of all decisions: one per prefix, the bits so far behind a 1. */
class Decisions {
  readonly #codewords: number;
  readonly #bits: number;
  readonly #zeros: Float64Array;
  readonly #ones: Float64Array;

  constructor(codewords: number) {
    this.#codewords = codewords;
    this.#bits = indexBits(codewords);
    this.#zeros = new Float64Array(2 ** this.#bits);
    this.#ones = new Float64Array(2 ** this.#bits);
  }

  /** An index by its decisions; `decide` takes the prefix and the probability of a zero in 2^-16, and says which it is. */
  walk(decide: (prefix: number, zero: number) => number): number {
    let prefix = 1;
    for (let left = this.#bits - 1; left >= 0; left--) {
      const least = ((2 * prefix + 1) << left) - 2 ** this.#bits;
      if (least >= this.#codewords) {
        prefix *= 2;
        continue;
      }
      const zeros = this.#zeros[prefix]!;
      const ones = this.#ones[prefix]!;
      const zero = Math.floor((probabilityOne * (2 * zeros + 1)) / (2 * (zeros + ones) + 2));
      const bit = decide(prefix, Math.max(1, zero));
      if (bit === 0) this.#zeros[prefix] = zeros + 1;
      else this.#ones[prefix] = ones + 1;
      prefix = 2 * prefix + bit;
    }
    return prefix - 2 ** this.#bits;
  }
}

/** The stream of indices below `codewords`, which are 2 .. 512. */
export function encodeIndices(indices: ArrayLike<number>, codewords: number): Uint8Array<ArrayBuffer> {
  const decisions = new Decisions(codewords);
  const bytes: number[] = [];
  let low = 0;
  let range = fullRange;
  const emit = (): void => {
    bytes.push(Math.floor(low / leastRange));
    low = (low % leastRange) * 256;
    range *= 256;
  };
  for (let i = 0; i < indices.length; i++) {
    const marked = indices[i]! + 2 ** indexBits(codewords);
    decisions.walk((prefix, zero) => {
      // The bit below the prefix: how far the marked index is below it says which.
      const bit = (marked >> (Math.clz32(prefix) - Math.clz32(marked) - 1)) & 1;
      const part = Math.floor(range / probabilityOne) * zero;
      if (bit === 0) {
        range = part;
      } else {
        low += part;
        range -= part;
      }
      if (low >= fullRange) {
        low -= fullRange;
        let at = bytes.length - 1;
        for (; bytes[at] === 255; at--) bytes[at] = 0;
        bytes[at] = bytes[at]! + 1;
      }
      while (range < leastRange) emit();
      return bit;
    });
  }
  for (let i = 0; i < 4; i++) emit();
  return Uint8Array.from(bytes);
}

/** Fills `indices` from a stream of them; false when it is not the one that `encodeIndices` makes of what it gives. */
export function decodeIndices(stream: Uint8Array, indices: Uint16Array, codewords: number): boolean {
  const decisions = new Decisions(codewords);
  let at = 0;
  const next = (): number => stream[at++] ?? 0;
  /** The stream minus `low`. */
  let code = 0;
  for (let i = 0; i < 4; i++) code = code * 256 + next();
  let range = fullRange;
  const decide = (_: number, zero: number): number => {
    const part = Math.floor(range / probabilityOne) * zero;
    const bit = code < part ? 0 : 1;
    if (bit === 0) {
      range = part;
    } else {
      code -= part;
      range -= part;
    }
    for (; range < leastRange; range *= 256) code = code * 256 + next();
    return bit;
  };
  for (let i = 0; i < indices.length; i++) indices[i] = decisions.walk(decide);
  return at === stream.length && code === 0;
}
