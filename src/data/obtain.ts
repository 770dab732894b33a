/** Getting a published data set: from a folder of this machine, or from its official address into a folder of data sets. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError, SubbitError } from '../util/errors.js';
import type { DatasetKind, LoadOptions } from './dataset.js';
import { type Download, download, fileNameOf } from './download.js';
import { cachePlace, dataPlaces } from './places.js';
import { unpackTar } from './tar.js';

/** The place of a set that needs no file. */
const builtIn = 'built in';

export interface ObtainOptions extends Pick<LoadOptions, 'choices' | 'onNotice' | 'onProgress'> {
  /** Whether to download what is not on this machine. @default true */
  readonly download?: boolean;
  /** The only folder of data sets to look in and to download to. @default the data places, and the cache */
  readonly place?: string;
}

/** Where a named set is on this machine; undefined where it is not. */
export function findPublished(kind: DatasetKind, places: readonly string[] = dataPlaces()): string | undefined {
  const { published, locate } = kind;
  if (published === undefined) return undefined;
  if (published.folders === undefined) return builtIn;
  for (const place of places) {
    for (const folder of published.folders) {
      const found = locate(join(place, folder));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** The files of a set that these choices need. */
function neededDownloads({ published }: DatasetKind, choices: LoadOptions['choices'] = {}): readonly Download[] {
  return (published?.downloads ?? []).filter(({ choice }) => choice === undefined || choices[choice] !== undefined);
}

/**
 * The folder of a published set, downloaded where it is not here. Throws a SubbitError that says which files to put where when
 * that fails or is not wanted.
 */
export async function obtain(kind: DatasetKind, options: ObtainOptions = {}): Promise<string> {
  const places = options.place === undefined ? dataPlaces() : [options.place];
  const needed = neededDownloads(kind, options.choices);
  const found = findPublished(kind, places);
  if (found !== undefined) {
    // What only an option needs may be missing beside the rest.
    const missing = needed.filter((each) => each.choice !== undefined && !existsSync(join(found, fileNameOf(each))));
    await downloadAll(kind, missing, found, options);
    return found;
  }
  if (options.download === false) {
    const folders = places.map((place) => join(place, kind.name));
    throw new SubbitError(
      `data set '${kind.name}' is not on this machine: put ${kind.files} into ${folders.join(' or ')}`,
    );
  }
  const folder = join(options.place ?? cachePlace(), kind.name);
  await downloadAll(kind, needed, folder, options);
  const located = kind.locate(folder);
  if (located === undefined)
    throw new FormatError(`'${folder}' does not hold ${kind.files}, though all was downloaded`);
  return located;
}

async function downloadAll(
  kind: DatasetKind,
  downloads: readonly Download[],
  folder: string,
  { onNotice, onProgress }: ObtainOptions,
): Promise<void> {
  if (downloads.length === 0) return;
  const megabytes = Math.ceil(downloads.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6);
  onNotice?.(`data set '${kind.name}' is not on this machine: downloading ${megabytes} MB to '${folder}'`);
  for (const each of downloads) {
    const file = await download(each, folder, onProgress);
    if (each.unpackedBytes === undefined) continue;
    // Room for the padding of the archive's files.
    await unpackTar(file, folder, { mostBytes: 1.1 * each.unpackedBytes, onProgress });
    rmSync(file);
  }
}
