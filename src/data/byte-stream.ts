/** The bytes of a stream in the amounts that a format's reader asks for. */
import type { Readable } from 'node:stream';

export class ByteStream {
  /** Bytes taken so far. */
  position = 0;
  readonly #source: AsyncIterator<Uint8Array, undefined>;
  readonly #error: (problem: string) => Error;
  #held: Uint8Array = new Uint8Array(0);

  /** `error` makes what is thrown of what is wrong with the stream. */
  constructor(source: Readable, error: (problem: string) => Error) {
    this.#source = source[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>;
    this.#error = error;
  }

  /** The next `count` bytes, a few of them at a time: views that are valid until the next piece. */
  async *pieces(count: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let left = count; left > 0; ) {
      if (this.#held.length === 0) await this.#fill(left);
      const piece = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(piece.length);
      this.position += piece.length;
      left -= piece.length;
      yield piece;
    }
  }

  /** The next `count` bytes together. */
  async take(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(count);
    let at = 0;
    for await (const piece of this.pieces(count)) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  async skip(count: number): Promise<void> {
    for await (const _ of this.pieces(count));
  }

  async #fill(missing: number): Promise<void> {
    let next: IteratorResult<Uint8Array, undefined>;
    try {
      next = await this.#source.next();
    } catch (error) {
      throw this.#error((error as Error).message);
    }
    if (next.done) throw this.#error(`it ends ${missing} bytes early`);
    this.#held = next.value;
  }
}
