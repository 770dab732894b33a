/**
 * Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC 2011).
 *
 * A number is a pure function of (seed, stream, step, position), so every backend, thread count and resumed run sees the
 * same bits, and no generator state needs saving. key = [seed, stream], counter = [position >> 2, step, 0, 0], and
 * position p takes output word p & 3. `native/philox.h` is the same function in C++.
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const mid1 = aHigh * bLow + (low >>> 16);
  const mid2 = aLow * bHigh + (mid1 & 0xffff);
  return (aHigh * bHigh + Math.floor(mid1 / 0x10000) + Math.floor(mid2 / 0x10000)) >>> 0;
}

/** One block of four 32-bit words, written to `out[0..3]`. All arguments are taken modulo 2^32. */
export function philox4x32(out: Uint32Array, counter: ArrayLike<number>, key: ArrayLike<number>): void {
  let c0 = (counter[0] as number) >>> 0;
  let c1 = (counter[1] as number) >>> 0;
  let c2 = (counter[2] as number) >>> 0;
  let c3 = (counter[3] as number) >>> 0;
  let k0 = (key[0] as number) >>> 0;
  let k1 = (key[1] as number) >>> 0;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** FNV-1a hash of a name: the stream id of whatever draws random numbers under that name. */
export function streamOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The random numbers of one (seed, stream, step), by position or in order. */
export class Philox {
  readonly #key: Uint32Array;
  readonly #counter: Uint32Array;
  readonly #words = new Uint32Array(4);
  #block = -1;
  #position = 0;

  constructor(seed: number, stream: number | string, step = 0) {
    this.#key = Uint32Array.of(seed, typeof stream === 'string' ? streamOf(stream) : stream);
    this.#counter = Uint32Array.of(0, step, 0, 0);
  }

  /** The 32 random bits at `position`. */
  word(position: number): number {
    const block = Math.floor(position / 4);
    if (block !== this.#block) {
      this.#counter[0] = block;
      philox4x32(this.#words, this.#counter, this.#key);
      this.#block = block;
    }
    return this.#words[position & 3] as number;
  }

  /** Uniform in [0, 1) with 24 bits, so that it is exact in float32. */
  uniform(position: number): number {
    return (this.word(position) >>> 8) * 2 ** -24;
  }

  /** The next uniform number in [0, 1). */
  next(): number {
    return this.uniform(this.#position++);
  }

  /** The next integer in 0 .. bound - 1 (bound <= 2^24; the bias is below bound / 2^24). */
  nextInt(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  /** The next standard normal number (Box-Muller, one of the pair). */
  nextNormal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }

  /** Shuffles `items` in place (Fisher-Yates). */
  shuffle(items: { [index: number]: number; length: number }): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.nextInt(i + 1);
      const held = items[i] as number;
      items[i] = items[j] as number;
      items[j] = held;
    }
  }
}
