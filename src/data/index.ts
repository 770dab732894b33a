/**
 * The data sets subbit knows, and opening one by name or path. A new data set is a file that exports a DatasetKind, and a
 * line in `datasets`. Entries load when they are used.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SubbitError, UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';
import type { Dataset, DatasetKind } from './dataset.js';
import { dataPlaces } from './places.js';

export { resizeImage } from '../image/resize.js';
export type { ImageShape } from '../image/shape.js';
export type { Augmentation, Dataset, DatasetKind, ImageSet } from './dataset.js';
export { type Batch, createLoader, type Loader, type LoaderOptions } from './loader.js';
export { prepare, prepareDataset } from './prepare.js';

export const datasets = {
  digits: async () => (await import('./digits.js')).digits,
  mnist: async () => (await import('./mnist.js')).mnist,
  'fashion-mnist': async () => (await import('./fashion-mnist.js')).fashionMnist,
  cifar10: async () => (await import('./cifar10.js')).cifar10,
} satisfies Record<string, () => Promise<DatasetKind>>;

export type DatasetName = keyof typeof datasets;

/** All kinds of data sets, in the list's order. */
export function datasetKinds(): Promise<DatasetKind[]> {
  return Promise.all(Object.values(datasets).map((entry) => entry()));
}

async function openNamed(name: DatasetName): Promise<Dataset> {
  const kind = await datasets[name]();
  const path = kind.find();
  if (path === undefined) {
    const places = dataPlaces().map((place) => join(place, name));
    throw new SubbitError(`data set '${name}' is not on this machine: put ${kind.files} into ${places.join(' or ')}`);
  }
  return kind.load(path);
}

/**
 * Reads a data set: one of the list, looked for in $SUBBIT_DATA, ./data and ~/.cache/subbit, or a directory whose files say
 * which kind it is. Throws UsageError for an unknown name or directory, SubbitError when a known set is not on this machine,
 * FormatError for missing or damaged files.
 */
export async function openData(nameOrPath: string): Promise<Dataset> {
  if (Object.hasOwn(datasets, nameOrPath)) return openNamed(nameOrPath as DatasetName);
  if (!existsSync(nameOrPath)) {
    if (/[/\\]|^\./.test(nameOrPath)) throw new UsageError(`there is no directory '${nameOrPath}'`);
    lookUp(datasets, nameOrPath, 'data set');
  }
  const kinds = await datasetKinds();
  for (const kind of kinds) {
    const directory = kind.locate(nameOrPath);
    if (directory !== undefined) return kind.load(directory);
  }
  const known = kinds.flatMap(({ name, files }) => (files === undefined ? [] : [`${name} (${files})`]));
  throw new UsageError(`'${nameOrPath}' holds none of the data sets subbit knows by their files: ${known.join('; ')}`);
}
