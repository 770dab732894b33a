/**
 * Fields of Protocol Buffers messages, read with every length checked: a field ends inside of its message, a message inside of the file.
 *
 *     wire type 0    varint: seven bits per byte, the lowest first; negative numbers as 64-bit two's complement
 *     wire type 2    a varint with the number of bytes, and the bytes: text, raw data, a row of numbers, or another message
 *     wire types 1, 5    eight and four bytes: double, float
 */
import { PbfReader } from 'pbf';
import { FormatError } from '../util/errors.js';

/** Field numbers to what reads a field; others are skipped. `end`: of the message that is read. */
export type Fields = Readonly<Record<number, (end: number) => void>>;

/** Protocol Buffers' wire types. */
export const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

export class FieldReader {
  readonly #from: PbfReader;
  readonly #bytes: Uint8Array;
  readonly #name: string;
  readonly #text = new TextDecoder('utf-8', { fatal: true });

  /** `name`: the file's, for messages. */
  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#from = new PbfReader(bytes);
    this.#name = name;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** Reads the fields up to `end`. */
  message(end: number, fields: Fields): void {
    while (this.#from.pos < end) {
      const tag = this.integer();
      const field = Math.floor(tag / 8);
      this.#from.type = tag % 8;
      if (field < 1) throw this.error(`a field has the number ${field} at byte ${this.#from.pos}`);
      const read = fields[field];
      if (read === undefined) this.skip(end);
      else read(end);
      if (this.#from.pos > end) throw this.error(`a field runs over the end of its message at byte ${end}`);
    }
  }

  skip(end: number): void {
    if (this.#from.type === wire.bytes) this.raw(end);
    else if (this.#from.type === wire.varint) this.integer();
    else if (this.#from.type === wire.fixed32) this.#from.pos += 4;
    else if (this.#from.type === wire.fixed64) this.#from.pos += 8;
    else throw this.error(`a field has the unknown wire type ${this.#from.type} at byte ${this.#from.pos}`);
  }

  /** The end of what begins here with its length. */
  inside(end: number): number {
    if (this.#from.type !== wire.bytes) throw this.error(`a field has the wrong wire type at byte ${this.#from.pos}`);
    const length = this.integer();
    const own = this.#from.pos + length;
    if (!(length >= 0 && own <= end))
      throw this.error(
        `it is truncated or damaged: ${length} bytes wanted at byte ${this.#from.pos}, ${end - this.#from.pos} left`,
      );
    return own;
  }

  raw(end: number): Uint8Array {
    const own = this.inside(end);
    const bytes = this.#bytes.subarray(this.#from.pos, own);
    this.#from.pos = own;
    return bytes;
  }

  string(end: number): string {
    const at = this.#from.pos;
    try {
      return this.#text.decode(this.raw(end));
    } catch (error) {
      if (error instanceof FormatError) throw error;
      throw this.error(`a text at byte ${at} is not UTF-8`);
    }
  }

  /** A text that messages repeat. */
  name(end: number): string {
    const at = this.#from.pos;
    const name = this.string(end);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
    if (/[\u0000-\u001f\u007f]/.test(name)) throw this.error(`a name at byte ${at} has control characters`);
    return name;
  }

  /** One number, or a row of them in one field. */
  repeated(end: number, type: number, read: () => void): void {
    if (this.#from.type === type) {
      read();
      return;
    }
    const own = this.inside(end);
    while (this.#from.pos < own) read();
    if (this.#from.pos > own) throw this.error(`a row of numbers runs over its end at byte ${own}`);
  }

  integer(): number {
    try {
      return this.#from.readVarint(true);
    } catch {
      throw this.error(`a number at byte ${this.#from.pos} has more than ten bytes`);
    }
  }

  float(): number {
    this.#need(4);
    return this.#from.readFloat();
  }

  double(): number {
    this.#need(8);
    return this.#from.readDouble();
  }

  #need(bytes: number): void {
    if (this.#from.pos + bytes > this.#bytes.length) throw this.error('it is truncated');
  }

  error(what: string): FormatError {
    return new FormatError(`'${this.#name}' cannot be read: ${what}`);
  }
}
