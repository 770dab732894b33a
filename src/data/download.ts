/**
 * Downloading the files of a data set: to a `.part` file beside the target, which a later try goes on with (HTTP ranges), and
 * renamed when the published checksum is right. So a file of the target's name is whole.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FormatError, SubbitError } from '../util/errors.js';

export interface Download {
  /** The official address; its last part is the file's name. */
  readonly url: string;
  /** As published. */
  readonly md5: string;
  /** Of the file, for messages; a server that sends twice as much is refused. */
  readonly bytes: number;
  /** Of an archive's files together. @default it is no archive */
  readonly unpackedBytes?: number;
  /** Only needed with this option of the data set. */
  readonly choice?: string;
}

type OnProgress = ((stage: string, done: number, total: number) => void) | undefined;

export function fileNameOf({ url }: Download): string {
  return basename(new URL(url).pathname);
}

export async function md5Of(file: string): Promise<string> {
  const hash = createHash('md5');
  for await (const piece of createReadStream(file)) hash.update(piece as Uint8Array);
  return hash.digest('hex');
}

/**
 * The file in `folder`, downloaded when it is not there, checked in any case. Throws a SubbitError that says what went wrong and where a file
 * fetched by hand goes.
 */
export async function download(wanted: Download, folder: string, onProgress?: OnProgress): Promise<string> {
  const target = join(folder, fileNameOf(wanted));
  if (existsSync(target)) {
    const md5 = await md5Of(target);
    if (md5 === wanted.md5) return target;
    throw new FormatError(
      `'${target}' is not as published: its md5 is ${md5}, not ${wanted.md5}; remove it to get it again`,
    );
  }
  const part = `${target}.part`;
  try {
    await fetchInto(part, wanted, onProgress);
    const md5 = await md5Of(part);
    if (md5 !== wanted.md5) {
      rmSync(part);
      throw new Error(`its md5 is ${md5}, not ${wanted.md5} as published`);
    }
    renameSync(part, target);
    return target;
  } catch (error) {
    throw new SubbitError(
      `cannot download '${wanted.url}': ${reasonOf(error)}; try again, or fetch it by hand and put it into '${folder}'`,
      { cause: error },
    );
  }
}

/** Errors of `fetch` say what happened in their cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const inner = cause as (Error & { code?: string }) | undefined;
  return (inner === undefined ? message : `${message} (${inner.code ?? inner.message})`).split('\n')[0]!;
}

/** Goes on with what `part` holds, or begins anew where the server cannot. */
async function fetchInto(part: string, { url, bytes }: Download, onProgress: OnProgress): Promise<void> {
  const held = existsSync(part) ? statSync(part).size : 0;
  let response = await fetch(url, held > 0 ? { headers: { range: `bytes=${held}-` } } : {});
  // The whole file is there already, or it is longer than the server's.
  if (response.status === 416) {
    await response.body?.cancel();
    if (rangeOf(response)?.total === held) return;
    response = await fetch(url);
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`the server answers ${response.status} ${response.statusText}`);
  }
  const isResumed = response.status === 206 && rangeOf(response)?.first === held;
  if (response.status === 206 && !isResumed) throw new Error('the server answers with another part than was asked for');
  const start = isResumed ? held : 0;
  const length = response.headers.get('content-length');
  const total = length === null ? undefined : start + Number(length);
  mkdirSync(dirname(part), { recursive: true });
  const file = await open(part, isResumed ? 'a' : 'w');
  let done = start;
  try {
    for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
      await file.write(piece);
      done += piece.length;
      if (done > 2 * bytes) throw new Error(`it is longer than ${2 * bytes} bytes, and should have ${bytes}`);
      onProgress?.(`downloading ${basename(part, '.part')}, MB`, megabytes(done), megabytes(total ?? bytes));
    }
  } catch (error) {
    throw new Error(`it ended after ${done} of ${total ?? bytes} bytes`, { cause: error });
  } finally {
    await file.close();
  }
  if (total !== undefined && done !== total) throw new Error(`it ended after ${done} of ${total} bytes`);
}

const megabytes = (bytes: number): number => Math.ceil(bytes / 1e6);

/** `bytes 100-199/200`, or of an unsatisfied range `bytes *\/200`. */
function rangeOf(response: Response): { first: number | undefined; total: number } | undefined {
  const match = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  if (match === null) return undefined;
  return { first: match[1] === undefined ? undefined : Number(match[1]), total: Number(match[2]) };
}
