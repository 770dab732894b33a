/**
 * The data sets subbit knows, and opening one by name or path. A new data set is a file that exports a DatasetKind, and a
 * line in `datasets`, or in `dataForms` where it has no name of its own. Entries load when they are used.
 */
import { existsSync } from 'node:fs';
import { UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';
import type { Dataset, DatasetKind, LoadOptions } from './dataset.js';
import { type ObtainOptions, obtain } from './obtain.js';
import { prepareDataset } from './prepare.js';
import { checkChoices, type DataSource, parseSource } from './source.js';

export { resizeImage } from '../image/resize.js';
export type { ImageShape } from '../image/shape.js';
export type { Augmentation, Dataset, DatasetKind, ImageSet, LoadOptions } from './dataset.js';
export { type Batch, createLoader, type Loader, type LoaderOptions } from './loader.js';
export { prepare, prepareDataset } from './prepare.js';

export const datasets = {
  digits: async () => (await import('./digits.js')).digits,
  mnist: async () => (await import('./mnist.js')).mnist,
  'fashion-mnist': async () => (await import('./fashion-mnist.js')).fashionMnist,
  cifar10: async () => (await import('./cifar10.js')).cifar10,
  cifar100: async () => (await import('./cifar100.js')).cifar100,
  svhn: async () => (await import('./svhn.js')).svhn,
} satisfies Record<string, () => Promise<DatasetKind>>;

export type DatasetName = keyof typeof datasets;

/** Data of the user's own, recognised by its form; tried after the sets, because their folders may hold pictures as well. */
export const dataForms = {
  parquet: async () => (await import('./parquet.js')).parquet,
  pictures: async () => (await import('./picture-folder.js')).pictureFolder,
} satisfies Record<string, () => Promise<DatasetKind>>;

/** All kinds of data, in the lists' order. */
export function datasetKinds(): Promise<DatasetKind[]> {
  return Promise.all(Object.values({ ...datasets, ...dataForms }).map((entry) => entry()));
}

/** A data set that is on this machine. */
export interface FoundData {
  readonly kind: DatasetKind;
  readonly path: string;
  readonly choices: DataSource['choices'];
}

/**
 * Where a data set is: one of the list, looked for in $SUBBIT_DATA, ./data and ~/.cache/subbit and downloaded where it is in none
 * of them, or a file or folder whose content says which kind it is; either with options after a colon. Throws UsageError for an
 * unknown name, path or option, SubbitError when a named set cannot be had.
 */
export async function findData(source: string, options: ObtainOptions = {}): Promise<FoundData> {
  const { place, choices } = parseSource(source);
  if (Object.hasOwn(datasets, place)) {
    const kind = await datasets[place as DatasetName]();
    checkChoices(kind, choices);
    return { kind, path: await obtain(kind, { ...options, choices }), choices };
  }
  if (!existsSync(place)) {
    if (/[/\\]|^\./.test(place)) throw new UsageError(`there is no file or folder '${place}'`);
    lookUp(datasets, place, 'data set');
  }
  const kinds = await datasetKinds();
  for (const kind of kinds) {
    const path = kind.locate(place);
    if (path === undefined) continue;
    checkChoices(kind, choices);
    return { kind, path, choices };
  }
  if (/\.(tar|tgz|gz|xz|zip)$/i.test(place))
    throw new UsageError(
      `'${place}' is an archive: unpack it first (tar and tar.gz also with: subbit data prepare ${place})`,
    );
  const known = kinds.filter(({ published }) => published === undefined || published.folders !== undefined);
  throw new UsageError(
    `'${place}' holds none of the data sets subbit knows by their files: ${known.map(({ name, files }) => `${name} (${files})`).join('; ')}`,
  );
}

export interface OpenOptions extends Omit<LoadOptions, 'choices'>, Omit<ObtainOptions, 'choices'> {}

/**
 * Reads a data set, found as `findData` says; with a `shape`, prepared to it. Pictures in folders and parquet files need one.
 * Throws besides what `findData` throws FormatError for missing or damaged files.
 */
export async function openData(source: string, options: OpenOptions = {}): Promise<Dataset> {
  const { kind, path, choices } = await findData(source, options);
  const dataset = await kind.load(path, { ...options, choices });
  return options.shape === undefined ? dataset : prepareDataset(dataset, options.shape);
}
