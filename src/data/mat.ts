/**
 * Reader of MAT files, version 5 (MathWorks, "MAT-File Format"), as far as numeric arrays go. After 128 header bytes a file is a
 * run of elements, each
 *
 *     4 bytes type | 4 bytes length | the data, padded to 8 bytes          (or in 8 bytes: 2 type, 2 length <= 4, 4 data)
 *
 * An array is an element of type 14 whose data are elements again: flags, extents, name, numbers in column-major order. Often
 * it is compressed: an element of type 15, not padded, whose data is a zlib stream of the element of type 14.
 *
 * Everything is read as a stream, in pieces, so that memory does not grow with the file; every type, length and extent is
 * checked before it is used, against what the file (and deflate, which expands at most 1032-fold) can hold. Errors say at
 * which byte of the file.
 */
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createInflate, type Inflate } from 'node:zlib';
import { FormatError } from '../util/errors.js';
import { ByteStream } from './byte-stream.js';
import { readExactly, readingFile } from './places.js';

const headerBytes = 128;
const maxExpansion = 1032;
const [int8Type, int32Type, uint32Type, matrixType, compressedType] = [1, 5, 6, 14, 15] as const;
/** Extents and names longer than this are not those of data. */
const longestHeader = 256;

/** Bytes per number, and how it is read, by the type of an element. */
const numbers: Readonly<Record<number, { bytes: number; read: (view: DataView, at: number) => number }>> = {
  1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  2: { bytes: 1, read: (view, at) => view.getUint8(at) },
  3: { bytes: 2, read: (view, at) => view.getInt16(at, true) },
  4: { bytes: 2, read: (view, at) => view.getUint16(at, true) },
  5: { bytes: 4, read: (view, at) => view.getInt32(at, true) },
  6: { bytes: 4, read: (view, at) => view.getUint32(at, true) },
  7: { bytes: 4, read: (view, at) => view.getFloat32(at, true) },
  9: { bytes: 8, read: (view, at) => view.getFloat64(at, true) },
};

/** Whether these first bytes of a file are those of a MAT file, version 5. */
export function isMat(head: Uint8Array): boolean {
  return Buffer.from(head).toString('latin1').startsWith('MATLAB 5.0 MAT-file');
}

/** An array, before its numbers are read. */
export interface MatArray {
  readonly name: string;
  /** Extents; the first one varies fastest. */
  readonly shape: readonly number[];
  /** Whether the numbers are stored as unsigned bytes. */
  readonly isBytes: boolean;
  /** An error about this array that says where it is. */
  error(problem: string): FormatError;
  /** The numbers as stored, in pieces of any length: views that are valid until the next piece. */
  pieces(): AsyncGenerator<Uint8Array, void, undefined>;
  /** All numbers. */
  values(): Promise<Float64Array>;
}

interface Tag {
  readonly type: number;
  readonly bytes: number;
  /** The data of an element that lies in its own tag. */
  readonly inside?: DataView;
}

const viewOf = (bytes: Uint8Array<ArrayBuffer>): DataView => new DataView(bytes.buffer);

async function readTag(stream: ByteStream, error: (problem: string) => FormatError): Promise<Tag> {
  const tag = viewOf(await stream.take(8));
  const type = tag.getUint16(0, true);
  const short = tag.getUint16(2, true);
  if (short === 0) return { type: tag.getUint32(0, true), bytes: tag.getUint32(4, true) };
  if (short > 4) throw error(`an element of type ${type} has ${short} bytes in a tag with room for 4`);
  return { type, bytes: short, inside: new DataView(tag.buffer, 4, short) };
}

/** The data of a short element that must have the given type. */
async function readShort(
  stream: ByteStream,
  what: string,
  type: number,
  error: (problem: string) => FormatError,
): Promise<DataView> {
  const tag = await readTag(stream, error);
  if (tag.type !== type) throw error(`its ${what} have type ${tag.type}, not ${type}`);
  if (tag.inside !== undefined) return tag.inside;
  if (tag.bytes > longestHeader) throw error(`its ${what} have ${tag.bytes} bytes`);
  const data = await stream.take(tag.bytes);
  await stream.skip(-tag.bytes & 7);
  return viewOf(data);
}

/** The head of an array whose element's own tag has been read. */
async function readArray(
  stream: ByteStream,
  mostBytes: number,
  error: (problem: string) => FormatError,
): Promise<MatArray> {
  await readShort(stream, 'flags', uint32Type, error);
  const extents = await readShort(stream, 'extents', int32Type, error);
  const shape = Array.from({ length: extents.byteLength >> 2 }, (_, i) => extents.getInt32(4 * i, true));
  if (shape.length < 2 || shape.some((extent) => extent < 0)) throw error(`its extents are [${shape.join(', ')}]`);
  const letters = await readShort(stream, 'name', int8Type, error);
  const name = Buffer.from(letters.buffer, letters.byteOffset, letters.byteLength).toString('latin1');
  const tag = await readTag(stream, error);
  const number = numbers[tag.type];
  if (number === undefined) throw error(`array '${name}' holds elements of type ${tag.type}, which are no numbers`);
  const count = shape.reduce((product, extent) => product * extent, 1);
  if (tag.bytes !== count * number.bytes)
    throw error(`array '${name}' of [${shape.join(', ')}] has ${tag.bytes} bytes, not ${count * number.bytes}`);
  if (tag.bytes > mostBytes) throw error(`array '${name}' promises ${tag.bytes} bytes, which cannot be there`);

  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    if (tag.inside) yield new Uint8Array(tag.inside.buffer, tag.inside.byteOffset, tag.bytes);
    else yield* stream.pieces(tag.bytes);
  }
  return {
    name,
    shape,
    isBytes: tag.type === 2,
    error: (problem) => error(`array '${name}': ${problem}`),
    pieces,
    async values() {
      const view = tag.inside ?? viewOf(await stream.take(tag.bytes));
      return Float64Array.from({ length: count }, (_, i) => number.read(view, i * number.bytes));
    },
  };
}

/** Calls `use` with the array in the element at `at`, of which the tag is given. */
async function useElement(
  file: string,
  at: number,
  tag: { readonly type: number; readonly bytes: number },
  use: (array: MatArray) => Promise<void>,
): Promise<void> {
  const range = createReadStream(file, { start: at + 8, end: at + 8 + tag.bytes - 1 });
  let inflate: Inflate | undefined;
  if (tag.type === compressedType) {
    inflate = createInflate();
    // What fails reaches the reader of `inflate`.
    pipeline(range, inflate, () => {});
  }
  const read = (): number => inflate?.bytesWritten ?? 0;
  const error = (problem: string): FormatError => {
    const near = inflate === undefined ? '' : `, near byte ${at + 8 + read()}`;
    return new FormatError(`'${file}' is damaged: in the element at byte ${at}${near}: ${problem}`);
  };
  const stream = new ByteStream(inflate ?? range, error);
  try {
    if (inflate === undefined) {
      await use(await readArray(stream, tag.bytes, error));
    } else {
      const inner = await readTag(stream, error);
      if (inner.type !== matrixType) throw error(`the compressed element has type ${inner.type}, not ${matrixType}`);
      await use(await readArray(stream, tag.bytes * maxExpansion, error));
    }
  } finally {
    range.destroy();
    inflate?.destroy();
  }
}

async function checkHeader(handle: FileHandle, file: string, fileBytes: number): Promise<void> {
  const header = Buffer.alloc(Math.min(fileBytes, headerBytes));
  await readExactly(handle, file, header, 0);
  if (!isMat(header)) throw new FormatError(`'${file}' is no MAT file of version 5 (the version that SVHN has)`);
  if (header.length < headerBytes) {
    throw new FormatError(`'${file}' is truncated: expected a header of ${headerBytes} bytes, found ${header.length}`);
  }
  if (header.toString('latin1', 126) !== 'IM')
    throw new FormatError(`'${file}' is not little-endian; save it again on a usual machine`);
}

/**
 * Calls `use` with each array of a file in turn; what it leaves unread is skipped. Throws a FormatError that says at which byte
 * what is wrong.
 */
export async function readMat(file: string, use: (array: MatArray) => Promise<void>): Promise<void> {
  await readingFile(file, async (handle, fileBytes) => {
    await checkHeader(handle, file, fileBytes);
    const tagBytes = new Uint8Array(8);
    for (let at = headerBytes; at < fileBytes; ) {
      await readExactly(handle, file, tagBytes, at);
      const view = new DataView(tagBytes.buffer);
      const tag = { type: view.getUint32(0, true), bytes: view.getUint32(4, true) };
      if (tag.type !== matrixType && tag.type !== compressedType)
        throw new FormatError(`'${file}' is damaged: the element at byte ${at} has type ${tag.type}, not 14 or 15`);
      if (at + 8 + tag.bytes > fileBytes) {
        throw new FormatError(
          `'${file}' is truncated: the element at byte ${at} has ${tag.bytes} bytes, and the file ends at byte ${fileBytes}; get it again`,
        );
      }
      if (tag.bytes > 0) await useElement(file, at, tag, use);
      at += 8 + tag.bytes;
    }
  });
}
