/**
 * Files that are whole or absent, also after a crash or a power cut: the bytes go to a temporary file in the same folder, are
 * forced to the disk, and only then take the name (rename is atomic within a file system); forcing the folder to the disk
 * makes the new name last. A crash leaves at most a temporary file, whose name no reader takes for anything else:
 *
 *     .NAME.PID-RANDOM.subbit-tmp
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SubbitError } from './errors.js';

const TEMPORARY_SUFFIX = '.subbit-tmp';

/** Writes `data` under `path`, replacing what is there. Throws a SubbitError that names `path`, and then leaves `path` as it was. */
export function writeFileAtomic(path: string, data: string | Uint8Array): void {
  placeAtomic(path, (temporary) => {
    const descriptor = openSync(temporary, 'wx');
    try {
      writeFileSync(descriptor, data);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  });
}

/** Gives the file `existing` the second name `path` in the same folder, replacing what is there; costs no copy of the bytes. */
export function linkFileAtomic(existing: string, path: string): void {
  placeAtomic(path, (temporary) => {
    try {
      linkSync(existing, temporary);
    } catch {
      // exFAT and some network file systems know no hard links: there the second name is a second copy.
      writeFileAtomic(temporary, readFileSync(existing));
    }
  });
}

export function isTemporaryName(name: string): boolean {
  return name.startsWith('.') && name.endsWith(TEMPORARY_SUFFIX);
}

/** Removes what crashed writers left in `folder`. Only for a folder that nobody else is writing to, such as a locked run. */
export function removeTemporaryFiles(folder: string): void {
  for (const name of readdirSync(folder)) if (isTemporaryName(name)) rmSync(join(folder, name), { force: true });
}

function placeAtomic(path: string, write: (temporary: string) => void): void {
  const folder = dirname(path);
  const unique = `${process.pid}-${randomBytes(4).toString('hex')}`;
  const temporary = join(folder, `.${basename(path)}.${unique}${TEMPORARY_SUFFIX}`);
  try {
    write(temporary);
    renameSync(temporary, path);
    syncFolder(folder);
  } catch (error) {
    throw new SubbitError(`cannot write '${path}': ${(error as Error).message}`, { cause: error });
  } finally {
    // Still there after a failure, and when both names were already the same file: POSIX rename then does nothing at all.
    rmSync(temporary, { force: true });
  }
}

function syncFolder(folder: string): void {
  // Windows opens no folders; its file systems journal the rename themselves.
  if (process.platform === 'win32') return;
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } catch (error) {
    // Some network and FUSE file systems cannot sync a folder; nothing better exists there.
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    closeSync(descriptor);
  }
}
