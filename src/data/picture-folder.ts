/**
 * A folder whose sub-folders are the classes and hold pictures, in any depth. What tests is, in this order:
 *
 *     PATH/train/CLASS/..  and PATH/test/CLASS/..     both splits within PATH
 *     PATH/CLASS/..        and PATH/test/CLASS/..     a test split within the training images' folder
 *     X/train/CLASS/..     and X/test/CLASS/..        PATH is X/train: the test split beside it
 *
 * with `val`, `valid` and `validation` read as `test` where there is none; otherwise a part of each class is held out. Classes and
 * pictures are in the order of their names' code units, on every machine.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { ImageShape } from '../image/shape.js';
import { FormatError, UsageError } from '../util/errors.js';
import { DamagedRecords } from './damaged-records.js';
import { type Dataset, type DatasetKind, type LoadOptions, newJoinedSet } from './dataset.js';
import { PictureDecoder } from './decode-pictures.js';
import { holdOut, holdOutOptions } from './hold-out.js';
import { normalisationOf } from './normalisation.js';
import { isPictureName } from './picture-reader.js';

const testNames = ['test', 'val', 'valid', 'validation'];

interface LabelledFile {
  readonly file: string;
  readonly label: number;
}

const isHidden = (name: string): boolean => name.startsWith('.') || name.startsWith('__');

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

/** The names of the folders in `path`, sorted; none where there is no such folder. */
function foldersIn(path: string): string[] {
  if (!isFolder(path)) return [];
  return readdirSync(path)
    .filter((name) => !isHidden(name) && isFolder(join(path, name)))
    .sort();
}

/** The pictures in `folder` and below. */
function picturesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => isPictureName(name) && !name.split(/[/\\]/).some(isHidden))
    .sort()
    .map((name) => join(folder, name));
}

/** Whether a folder has a picture that is not in a folder of its own. */
function hasPictures(folder: string): boolean {
  return readdirSync(folder, { withFileTypes: true }).some((entry) => entry.isFile() && isPictureName(entry.name));
}

/** The folder of the test split, judged by its having class folders. */
function testFolder(within: string): string | undefined {
  return testNames.map((name) => join(within, name)).find((folder) => foldersIn(folder).length > 0);
}

interface Layout {
  readonly train: string;
  readonly classes: readonly string[];
  readonly test?: string;
}

function layoutOf(path: string): Layout {
  const inner = testFolder(path);
  const train = foldersIn(join(path, 'train')).length > 0 ? join(path, 'train') : path;
  const isTrain = basename(resolve(path)) === 'train';
  const test = inner ?? (isTrain ? testFolder(dirname(resolve(path))) : undefined);
  const classes = foldersIn(train).filter((name) => join(train, name) !== inner);
  return { train, classes, ...(test === undefined ? {} : { test }) };
}

function filesOf(folder: string, classes: readonly string[]): LabelledFile[] {
  return classes.flatMap((name, label) => {
    const path = join(folder, name);
    return isFolder(path) ? picturesIn(path).map((file) => ({ file, label })) : [];
  });
}

/** The files of both splits. Throws a FormatError where a class is empty or unknown. */
function splitFiles(path: string, options: LoadOptions) {
  const { train: folder, classes, test: testPath } = layoutOf(path);
  const train = filesOf(folder, classes);
  const empty = classes.find((_, label) => !train.some((each) => each.label === label));
  if (empty !== undefined)
    throw new FormatError(`the class '${empty}' in '${folder}' has no pictures; remove the folder or fill it`);
  if (classes.length < 2) throw new FormatError(`'${folder}' has one class, '${classes[0]}'; a second one is needed`);
  if (testPath === undefined) {
    const isHeldOut = holdOut(
      train.map(({ label }) => label),
      classes.length,
      options.choices,
    );
    return { classes, train: train.filter((_, i) => !isHeldOut[i]), test: train.filter((_, i) => isHeldOut[i]) };
  }
  if (options.choices?.test !== undefined)
    throw new UsageError(`'${path}' has a test split, '${testPath}': leave test=${options.choices.test} out`);
  const unknown = foldersIn(testPath).find((name) => !classes.includes(name));
  if (unknown !== undefined)
    throw new FormatError(`'${join(testPath, unknown)}' is a class that '${folder}' does not have`);
  const test = filesOf(testPath, classes);
  if (test.length === 0) throw new FormatError(`'${testPath}' holds no pictures`);
  return { classes, train, test };
}

async function load(path: string, options: LoadOptions = {}): Promise<Dataset> {
  const decoder = await PictureDecoder.open(path, options.shape);
  const shape = options.shape as ImageShape;
  const { classes, train: trainFiles, test: testFiles } = splitFiles(path, options);
  const files = [...trainFiles, ...testFiles];
  const { set, parts } = newJoinedSet([trainFiles.length, testFiles.length], shape);
  for (const [i, { label }] of files.entries()) set.labels[i] = label;
  const damaged = new DamagedRecords(path, files.length, options);
  const pictures = files.map(({ file }) => ({ picture: file, name: relative(path, file) }));
  const onPicture = (done: number): void => options.onProgress?.(`decoding ${path}`, done, files.length);
  await decoder.decode(pictures, set, { first: 0, damaged, onPicture });
  const train = damaged.leaveOut(parts[0]!);
  const test = damaged.leaveOut(parts[1]!, trainFiles.length);
  return {
    name: basename(resolve(path)),
    classes,
    train,
    test,
    ...normalisationOf(train),
    source: `pictures in ${path}`,
    // Of what pictures have in common, since mirror images of text or digits would be wrong.
    augmentation: { cropPadding: Math.floor(Math.min(shape.height, shape.width) / 8), flip: false },
  };
}

export const pictureFolder: DatasetKind = {
  name: 'pictures',
  description: 'a folder whose sub-folders are the classes and hold pictures (needs the optional package sharp)',
  files: 'CLASS/*.jpg, .png, .webp, ..; test or val beside train, where there is one',
  options: holdOutOptions,
  locate(path) {
    const { train, classes } = layoutOf(path);
    return classes.some((name) => hasPictures(join(train, name))) ? path : undefined;
  },
  load,
};
