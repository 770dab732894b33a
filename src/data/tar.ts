/**
 * Unpacking tar archives (POSIX ustar), plain or gzip-compressed, for data sets: regular files and folders alone.
 *
 *     header, 512 bytes:  name 0..99 | size 124..135, octal | checksum 148..155, octal | type 156 | prefix 345..499
 *     then the content, padded to 512; two headers of zeros end the archive
 *
 * An archive may come from anywhere: names that lead out of the folder, links, devices and more bytes than were announced are
 * refused. Files are written to a temporary folder and moved when the archive was whole.
 */
import { createReadStream, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { FormatError, SubbitError, UsageError } from '../util/errors.js';
import { ByteStream } from './byte-stream.js';
import { firstBytes } from './places.js';

const blockBytes = 512;
/** Of entries, so that an archive of empty files ends. */
const mostEntries = 2_000_000;

/** Whether a file is an archive that `unpackTar` takes, by its name. */
export function isTarName(path: string): boolean {
  return /\.(tar|tar\.gz|tgz)$/i.test(path);
}

const text = (header: Buffer, at: number, length: number): string =>
  header.toString('utf8', at, at + length).replace(/\0.*$/s, '');

/** An octal number; NaN for anything else, as base-256 numbers, which no data set needs. */
function octal(header: Buffer, at: number, length: number): number {
  const digits = text(header, at, length).trim();
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}

interface Entry {
  readonly name: string;
  readonly bytes: number;
  readonly isFolder: boolean;
}

/** What a header says; undefined for the zeros at the end. */
function readEntry(header: Buffer, error: (problem: string) => FormatError): Entry | undefined {
  if (header.every((byte) => byte === 0)) return undefined;
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (octal(header, 148, 8) !== sum) throw error('the checksum of a header is wrong');
  const prefix = text(header, 257, 5) === 'ustar' ? text(header, 345, 155) : '';
  const name = prefix === '' ? text(header, 0, 100) : `${prefix}/${text(header, 0, 100)}`;
  const type = String.fromCharCode(header[156] as number);
  const bytes = octal(header, 124, 12);
  if (!Number.isSafeInteger(bytes)) throw error(`the size of '${name}' is not a number`);
  // Extended headers (pax) are skipped: what they add, owners and times, is of no use here.
  if (type === 'g' || type === 'x') return { name: '', bytes, isFolder: false };
  if (!['0', '\0', '5', '7'].includes(type)) throw error(`'${name}' is neither a file nor a folder (type '${type}')`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (name.startsWith('/') || parts.includes('..') || /[\\:\0]/.test(name))
    throw error(`the name '${name}' leads out of the folder`);
  return { name: parts.join('/'), bytes, isFolder: type === '5' };
}

/**
 * Unpacks an archive of at most `mostBytes` of files into `folder` and returns the names at its top. Throws a UsageError when one
 * of them is there already, a FormatError that says at which byte of the (uncompressed) archive what is wrong.
 */
export async function unpackTar(
  archive: string,
  folder: string,
  {
    mostBytes,
    onProgress,
  }: { mostBytes: number; onProgress?: ((stage: string, done: number, total: number) => void) | undefined },
): Promise<string[]> {
  const isCompressed = firstBytes(archive, 2).join() === '31,139';
  const file = createReadStream(archive);
  const content = isCompressed ? pipeline(file, createGunzip(), () => {}) : file;
  const error = (problem: string): FormatError =>
    new FormatError(`'${archive}' cannot be unpacked, at byte ${stream.position}: ${problem}`);
  const stream: ByteStream = new ByteStream(content, error);
  mkdirSync(folder, { recursive: true });
  const temporary = mkdtempSync(join(folder, '.unpacking-'));
  try {
    let total = 0;
    for (let entries = 0; ; entries++) {
      const header = Buffer.from((await stream.take(blockBytes)).buffer);
      const entry = readEntry(header, error);
      if (entry === undefined) break;
      total += entry.bytes;
      if (total > mostBytes || entries > mostEntries) throw error(`it holds more than ${mostBytes} bytes`);
      await unpackEntry(stream, entry, temporary);
      await stream.skip(-entry.bytes & (blockBytes - 1));
      onProgress?.(`unpacking ${basename(archive)}, MB`, Math.ceil(total / 1e6), Math.ceil(mostBytes / 1e6));
    }
    const names = readdirSync(temporary);
    const there = names.find((name) => existsSync(join(folder, name)));
    if (there !== undefined)
      throw new UsageError(`'${join(folder, there)}' is there already: remove it, or unpack into another folder`);
    for (const name of names) renameSync(join(temporary, name), join(folder, name));
    return names;
  } catch (problem) {
    if (problem instanceof SubbitError) throw problem;
    throw new SubbitError(`cannot unpack '${archive}' into '${folder}': ${(problem as Error).message}`);
  } finally {
    content.destroy();
    file.destroy();
    rmSync(temporary, { recursive: true, force: true });
  }
}

async function unpackEntry(stream: ByteStream, { name, bytes, isFolder }: Entry, folder: string): Promise<void> {
  const path = join(folder, name);
  if (isFolder) mkdirSync(path, { recursive: true });
  if (isFolder || name === '') {
    await stream.skip(bytes);
    return;
  }
  if (!existsSync(dirname(path))) mkdirSync(dirname(path), { recursive: true });
  const handle = await open(path, 'w');
  try {
    for await (const piece of stream.pieces(bytes)) await handle.write(piece);
  } finally {
    await handle.close();
  }
}
