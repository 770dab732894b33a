/**
 * Reader of IDX files, the format of the MNIST family (http://yann.lecun.com/exdb/mnist), plain or gzip-compressed:
 *
 *     byte 0-1  0
 *     byte 2    element type, 8 = unsigned byte
 *     byte 3    rank r
 *     then      r big-endian 32-bit extents, then the elements in row-major order
 *
 * The header is read and checked against the file's length before anything of the size it claims is allocated; deflate
 * expands at most 1032-fold, which bounds what a compressed file can hold.
 */
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, gunzip } from 'node:zlib';
import { FormatError } from '../util/errors.js';
import { readExactly, readingFile } from './places.js';

const inflate = promisify(gunzip);

const maxExpansion = 1032;
/** Enough compressed bytes for the 16 header bytes behind any sensible gzip header. */
const headBytes = 4096;

export interface IdxItems {
  readonly count: number;
  /** [count, ...itemShape] */
  readonly items: Uint8Array;
}

const hex = (magic: number): string => `0x${magic.toString(16).padStart(8, '0')}`;

/** What the header of an IDX file promises: the items' count and the bytes of header and items together. */
function readHeader(file: string, head: Buffer, itemShape: readonly number[]): { count: number; bytes: number } {
  const rank = itemShape.length + 1;
  const headerBytes = 4 + 4 * rank;
  if (head.length < headerBytes) {
    throw new FormatError(`'${file}' is truncated: expected a header of ${headerBytes} bytes, found ${head.length}`);
  }
  const magic = head.readUInt32BE(0);
  if (magic !== 0x0800 + rank) {
    throw new FormatError(`'${file}' is not the IDX file it should be: magic ${hex(magic)}, not ${hex(0x0800 + rank)}`);
  }
  const extents = Array.from({ length: rank }, (_, axis) => head.readUInt32BE(4 + 4 * axis));
  const [count, ...shape] = extents as [number, ...number[]];
  if (shape.join() !== itemShape.join()) {
    throw new FormatError(`'${file}' holds items of ${shape.join('x')}; expected ${itemShape.join('x')}`);
  }
  if (count === 0) throw new FormatError(`'${file}' says that it holds no items`);
  return { count, bytes: headerBytes + itemShape.reduce((product, extent) => product * extent, count) };
}

function wrongLength(file: string, expected: number, found: string): FormatError {
  return new FormatError(`'${file}' is damaged: its header promises ${expected} bytes, found ${found}`);
}

/** The bytes that a damaged gzip stream still yields. */
async function salvage(compressed: Uint8Array, limit: number): Promise<Buffer> {
  return inflate(compressed, { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: limit });
}

async function readCompressed(
  handle: FileHandle,
  file: string,
  fileBytes: number,
  itemShape: readonly number[],
): Promise<{ count: number; content: Uint8Array }> {
  const compressedHead = new Uint8Array(Math.min(fileBytes, headBytes));
  await readExactly(handle, file, compressedHead, 0);
  const damaged = (error: unknown): FormatError =>
    new FormatError(`'${file}' is damaged: ${error instanceof Error ? error.message : error} (gzip)`);
  let head: Buffer;
  try {
    head = await salvage(compressedHead, headBytes * maxExpansion);
  } catch (error) {
    throw damaged(error);
  }
  const { count, bytes } = readHeader(file, head, itemShape);
  if (bytes > fileBytes * maxExpansion) {
    throw wrongLength(file, bytes, `${fileBytes} compressed ones, which cannot hold them`);
  }
  // Stored (uncompressed) blocks cost 5 bytes in 65,535; the rest is room for gzip headers.
  if (fileBytes > bytes * 1.01 + 65536) throw wrongLength(file, bytes, `${fileBytes} compressed ones, which are more`);
  const compressed = new Uint8Array(fileBytes);
  await readExactly(handle, file, compressed, 0);
  let content: Buffer;
  try {
    content = await inflate(compressed, { maxOutputLength: bytes });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw wrongLength(file, bytes, 'more');
    if (code !== 'Z_BUF_ERROR') throw damaged(error);
    const found = (await salvage(compressed, bytes)).length;
    throw wrongLength(file, bytes, `${found} before the compressed stream ends early`);
  }
  if (content.length !== bytes) throw wrongLength(file, bytes, `${content.length}`);
  return { count, content };
}

/**
 * Reads the IDX file of unsigned bytes whose items have `itemShape` ([] for labels). Throws FormatError, naming the file,
 * what was expected and what was found, for any other content.
 */
export async function readIdx(file: string, itemShape: readonly number[]): Promise<IdxItems> {
  const headerBytes = 4 + 4 * (itemShape.length + 1);
  return readingFile(file, async (handle, fileBytes) => {
    const head = Buffer.alloc(Math.min(fileBytes, headerBytes));
    await readExactly(handle, file, head, 0);
    if (head[0] === 0x1f && head[1] === 0x8b) {
      const { count, content } = await readCompressed(handle, file, fileBytes, itemShape);
      return { count, items: content.subarray(headerBytes) };
    }
    const { count, bytes } = readHeader(file, head, itemShape);
    if (fileBytes !== bytes) throw wrongLength(file, bytes, `${fileBytes}`);
    const items = new Uint8Array(bytes - headerBytes);
    await readExactly(handle, file, items, headerBytes);
    return { count, items };
  });
}
