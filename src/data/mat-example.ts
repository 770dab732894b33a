/** Makes small MAT files, for tests of their readers. */
import { deflateSync } from 'node:zlib';

export interface ExampleArray {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of the elements as stored: 2 = unsigned bytes, 9 = doubles. */
  readonly type: number;
  readonly data: Uint8Array;
  /** The length that is written in place of the data's. */
  readonly promised?: number;
}

function element(type: number, data: Uint8Array, promised = data.length): Buffer {
  if (data.length <= 4 && promised === data.length) {
    const small = Buffer.alloc(8);
    small.writeUInt16LE(type, 0);
    small.writeUInt16LE(data.length, 2);
    small.set(data, 4);
    return small;
  }
  const bytes = Buffer.alloc(8 + Math.ceil(data.length / 8) * 8);
  bytes.writeUInt32LE(type, 0);
  bytes.writeUInt32LE(promised, 4);
  bytes.set(data, 8);
  return bytes;
}

/** The element of an array. */
export function matArray({ name, shape, type, data, promised }: ExampleArray): Buffer {
  const flags = Buffer.from(Uint32Array.of(9, 0).buffer);
  const extents = Buffer.from(Int32Array.from(shape).buffer);
  const parts = [element(6, flags), element(5, extents), element(1, Buffer.from(name)), element(type, data, promised)];
  return element(14, Buffer.concat(parts));
}

/** The element, compressed. */
export function compressed(inner: Uint8Array): Buffer {
  const data = deflateSync(inner);
  const tag = Buffer.alloc(8);
  tag.writeUInt32LE(15, 0);
  tag.writeUInt32LE(data.length, 4);
  return Buffer.concat([tag, data]);
}

export function matFile(elements: readonly Uint8Array[], endian = 'IM'): Buffer {
  const header = Buffer.alloc(128, ' ');
  header.write('MATLAB 5.0 MAT-file, an example');
  header.writeUInt16LE(0x0100, 124);
  header.write(endian, 126);
  return Buffer.concat([header, ...elements]);
}
