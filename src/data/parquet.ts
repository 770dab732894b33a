/**
 * Parquet files in the manner of Hugging Face: a column of pictures (PNG or JPEG bytes, or a struct with a field `bytes`) and a
 * column of labels (integers or text). One file, or a folder (or its `data`) of files whose names begin with train, test,
 * validation; without a test file a part of each class is held out. The features that such files carry (key `huggingface`) say
 * which columns these are and what the classes are called; otherwise common names are tried.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { ImageShape } from '../image/shape.js';
import { FormatError, UsageError } from '../util/errors.js';
import { DamagedRecords } from './damaged-records.js';
import { type Dataset, type DatasetKind, type ImageSet, type LoadOptions, newImageSet } from './dataset.js';
import { PictureDecoder } from './decode-pictures.js';
import { holdOut, holdOutOptions, splitSet } from './hold-out.js';
import { normalisationOf } from './normalisation.js';
import { ParquetFile } from './parquet-file.js';
import { firstBytes } from './places.js';

const imageNames = ['image', 'img', 'picture'];
const labelNames = ['label', 'labels', 'fine_label', 'class', 'target'];
/** In order of preference. */
const testNames = ['test', 'validation', 'valid', 'val'];
const mostClasses = 10_000;

/** A label as stored. */
type Label = number | string;

interface Columns {
  readonly image: string;
  readonly label: string;
  /** The names of integer labels. */
  readonly classes?: readonly string[];
}

interface Feature {
  readonly _type?: unknown;
  readonly names?: unknown;
}

/** The features that Hugging Face's writer leaves; none where they cannot be read, since they are a help and no more. */
function featuresOf(file: ParquetFile): Readonly<Record<string, Feature>> {
  try {
    const { info } = JSON.parse(file.notes.get('huggingface') ?? '{}') as { info?: { features?: object } };
    return (info?.features ?? {}) as Record<string, Feature>;
  } catch {
    return {};
  }
}

function columnsOf(file: ParquetFile, choices: Readonly<Record<string, string>>): Columns {
  const features = featuresOf(file);
  const column = (what: 'image' | 'label', type: string, names: readonly string[]): string => {
    const chosen = choices[what] ?? Object.keys(features).find((name) => features[name]?._type === type);
    const found = file.columns.find((name) => name === chosen) ?? file.columns.find((name) => names.includes(name));
    if (found === undefined || (choices[what] !== undefined && found !== chosen)) {
      throw new UsageError(
        `'${file.path}' has no column ${chosen === undefined ? `of ${what}s that can be told` : `'${chosen}'`}; ` +
          `say which with ${what}=COLUMN: ${file.columns.join(', ')}`,
      );
    }
    return found;
  };
  const label = column('label', 'ClassLabel', labelNames);
  const names = features[label]?.names;
  const hasNames = Array.isArray(names) && names.every((name) => typeof name === 'string');
  return { image: column('image', 'Image', imageNames), label, ...(hasNames ? { classes: names as string[] } : {}) };
}

/** The bytes of a picture as a row has them: plain, or in a struct. */
function pictureOf(value: unknown): Uint8Array | undefined {
  const bytes = value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null | undefined)?.bytes;
  return bytes instanceof Uint8Array ? bytes : undefined;
}

function labelOf(value: unknown): Label | undefined {
  if (typeof value === 'bigint' || typeof value === 'boolean') return Number(value);
  if (typeof value === 'number' || typeof value === 'string') return value;
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : undefined;
}

interface Split {
  readonly set: ImageSet;
  /** Of all records, with undefined for damaged ones. */
  readonly labels: readonly (Label | undefined)[];
  readonly damaged: DamagedRecords;
}

/** Decodes the pictures of `files` in turn; labels become numbers when the classes are known. */
async function readSplit(
  from: string,
  files: readonly ParquetFile[],
  { image, label }: Columns,
  decoder: PictureDecoder,
  options: LoadOptions,
): Promise<Split> {
  const count = files.reduce((sum, file) => sum + file.numRows, 0);
  if (count === 0) throw new FormatError(`'${from}' holds no rows`);
  const set = newImageSet(count, options.shape as ImageShape);
  const damaged = new DamagedRecords(from, count, options);
  const labels: (Label | undefined)[] = [];
  const onPicture = (done: number): void => options.onProgress?.(`decoding ${from}`, done, count);
  for (const file of files) {
    for await (const { rows } of file.groups([image, label])) {
      const first = labels.length;
      const pictures = rows.map((row, i) => ({
        name: `${basename(file.path)}, row ${first + i}`,
        picture: pictureOf(row[image]),
      }));
      await decoder.decode(pictures, set, { first, damaged, onPicture });
      for (const [i, row] of rows.entries()) {
        const value = labelOf(row[label]);
        if (value === undefined) damaged.add(first + i, `row ${first + i} of ${basename(file.path)} has no label`);
        labels.push(value);
      }
    }
  }
  return { set, labels, damaged };
}

function classesOf(splits: readonly Split[], { label, classes }: Columns, from: string): readonly string[] {
  if (classes !== undefined) return classes;
  const values = [...new Set(splits.flatMap(({ labels }) => labels.filter((value) => value !== undefined)))];
  // By type: one number that is no class must not turn the others into texts, which sort differently.
  const isNumeric = values.some((value) => typeof value === 'number');
  const ids = values.filter((value): value is number => Number.isInteger(value) && (value as number) >= 0);
  const count = isNumeric ? 1 + ids.reduce((most, id) => Math.max(most, id), 0) : values.length;
  if (count > mostClasses) {
    throw new UsageError(
      `column '${label}' of '${from}' has more than ${mostClasses} classes; say which with label=COLUMN`,
    );
  }
  return isNumeric ? Array.from({ length: count }, (_, i) => String(i)) : values.map(String).sort();
}

/** The set with its labels as numbers, without the damaged records. */
function labelled({ set, labels, damaged }: Split, classes: readonly string[]): ImageSet {
  const numbers = new Map(classes.map((name, i) => [name, i]));
  for (const [i, value] of labels.entries()) {
    if (value === undefined) continue;
    const number = typeof value === 'string' ? numbers.get(value) : value;
    if (Number.isInteger(number) && number! >= 0 && number! < classes.length) set.labels[i] = number!;
    else damaged.add(i, `the label of row ${i} is ${value}, not in 0..${classes.length - 1}`);
  }
  return damaged.leaveOut(set);
}

/** The parquet files at `path`, by what their names begin with: `train-00000-of-00002.parquet`. */
function filesOf(path: string): { train: string[]; test: string[] } {
  if (statSync(path).isFile()) return { train: [path], test: [] };
  const names = parquetNames(path);
  const beginning = (name: string): string => name.split(/[-_.]/)[0]!.toLowerCase();
  const test = testNames.find((split) => names.some((name) => beginning(name) === split));
  const hasTrain = names.some((name) => beginning(name) === 'train');
  const isTrain = (name: string): boolean =>
    hasTrain ? beginning(name) === 'train' : !testNames.includes(beginning(name));
  const paths = (those: string[]): string[] => those.map((name) => join(path, name));
  return { train: paths(names.filter(isTrain)), test: paths(names.filter((name) => beginning(name) === test)) };
}

function parquetNames(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.parquet') && !name.startsWith('.'))
    .sort();
}

async function load(path: string, options: LoadOptions = {}): Promise<Dataset> {
  const decoder = await PictureDecoder.open(path, options.shape);
  const paths = filesOf(path);
  if (paths.train.length === 0) throw new FormatError(`'${path}' has no parquet file to train on`);
  const opened: ParquetFile[] = [];
  const openAll = async (files: readonly string[]): Promise<ParquetFile[]> => {
    const all: ParquetFile[] = [];
    for (const file of files) {
      all.push(await ParquetFile.open(file));
      opened.push(all.at(-1)!);
    }
    return all;
  };
  try {
    const trainFiles = await openAll(paths.train);
    const testFiles = await openAll(paths.test);
    const columns = columnsOf(trainFiles[0]!, options.choices ?? {});
    const train = await readSplit(path, trainFiles, columns, decoder, options);
    const test = testFiles.length === 0 ? undefined : await readSplit(path, testFiles, columns, decoder, options);
    const classes = classesOf(test === undefined ? [train] : [train, test], columns, path);
    const whole = labelled(train, classes);
    const splits =
      test === undefined
        ? splitSet(whole, holdOut(whole.labels, classes.length, options.choices))
        : { train: whole, test: labelled(test, classes) };
    return {
      name: basename(resolve(path)),
      classes,
      ...splits,
      ...normalisationOf(splits.train),
      source: `pictures in ${path}`,
      augmentation: { cropPadding: Math.floor(Math.min(whole.height, whole.width) / 8), flip: false },
    };
  } finally {
    for (const file of opened) await file.close();
  }
}

export const parquet: DatasetKind = {
  name: 'parquet',
  description: 'parquet files with a column of pictures and one of labels (needs the optional package sharp)',
  files: 'train-*.parquet, and test-*.parquet where there is one; or one file',
  options: { image: 'the column of pictures', label: 'the column of labels', ...holdOutOptions },
  locate(path) {
    if (Buffer.from(firstBytes(path, 4)).toString('latin1') === 'PAR1') return path;
    return [path, join(path, 'data')].find(
      (folder) => existsSync(folder) && statSync(folder).isDirectory() && parquetNames(folder).length > 0,
    );
  },
  load,
};
