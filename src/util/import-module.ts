/**
 * Modules that a user writes, by file: .js and .mjs as they are, .ts where this Node strips types (22.18 and later) or else with the optional
 * package typescript, which only strips them too: nothing is checked.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SubbitError, UsageError } from './errors.js';
import { withoutTypes } from './without-types.js';

/** The default export. Throws a UsageError for a file that is missing or has none, a SubbitError that names the file when it cannot be run. */
export async function importDefault(file: string): Promise<unknown> {
  if (!existsSync(file)) throw new UsageError(`there is no file '${file}'`);
  const exported = (await importFile(file)) as { readonly default?: unknown };
  if (exported.default === undefined) throw new UsageError(`'${file}' has no default export`);
  return exported.default;
}

async function importFile(file: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(resolve(file)).href);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_UNKNOWN_FILE_EXTENSION') return importStripped(file);
    throw new SubbitError(`cannot run '${file}': ${(error as Error).message.split('\n')[0]}`, { cause: error });
  }
}

/** Beside the file for a moment, so that what it imports is found from there. */
async function importStripped(file: string): Promise<unknown> {
  const script = await withoutTypes(file, readFileSync(file, 'utf8'));
  const name = `.${basename(file)}.${process.pid}-${randomBytes(4).toString('hex')}.mjs`;
  const stripped = join(dirname(file), name);
  try {
    writeFileSync(stripped, script);
    return await import(pathToFileURL(resolve(stripped)).href);
  } catch (error) {
    throw new SubbitError(`cannot run '${file}': ${(error as Error).message.split('\n')[0]}`, { cause: error });
  } finally {
    rmSync(stripped, { force: true });
  }
}
