/** Where named data sets are looked for on this machine, and guarded access to their files. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { FormatError, SubbitError } from '../util/errors.js';

/** The folders that hold one folder per data set, first match wins: $SUBBIT_DATA, ./data, ~/.cache/subbit. */
export function dataPlaces(): string[] {
  const configured = process.env.SUBBIT_DATA;
  const fixed = ['data', join(homedir(), '.cache', 'subbit')];
  return configured === undefined || configured === '' ? fixed : [configured, ...fixed];
}

/** Where downloads go: the first of the places that is not the project's own. */
export function cachePlace(): string {
  const configured = process.env.SUBBIT_DATA;
  return configured === undefined || configured === '' ? join(homedir(), '.cache', 'subbit') : configured;
}

/** The first of `names` that exists in `directory`, or a FormatError that says what is missing there. */
export function existingFile(directory: string, names: readonly string[]): string {
  const found = names.map((name) => join(directory, name)).find((file) => existsSync(file));
  if (found === undefined) throw new FormatError(`'${directory}' is incomplete: ${names.join(' or ')} is missing`);
  return found;
}

/** Runs `read` on the opened file and its size; what the system refuses becomes a SubbitError that names the file. */
export async function readingFile<T>(
  file: string,
  read: (handle: FileHandle, bytes: number) => Promise<T>,
): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    return await read(handle, (await handle.stat()).size);
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw new SubbitError(`cannot read '${file}': ${error.message}`);
    throw error;
  } finally {
    await handle?.close();
  }
}

/** Fills `into` from the file's bytes at `position`; a FormatError when the file ends before that. */
export async function readExactly(handle: FileHandle, file: string, into: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) {
      throw new FormatError(
        `'${file}' is truncated: expected ${into.length} bytes from byte ${position} on, found ${done}`,
      );
    }
    done += bytesRead;
  }
}

/** The first bytes of a file, for telling its kind; none where there is no file. */
export function firstBytes(path: string, count: number): Uint8Array {
  try {
    const descriptor = openSync(path, 'r');
    try {
      const bytes = new Uint8Array(count);
      return bytes.subarray(0, readSync(descriptor, bytes, 0, count, 0));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return new Uint8Array(0);
  }
}
