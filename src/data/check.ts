/** Whether a data set is whole: every record is read, and counts and checksums are compared with what was published. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset, DatasetKind, LoadOptions } from './dataset.js';
import { fileNameOf, md5Of } from './download.js';
import { type FoundData, findData } from './index.js';
import type { ObtainOptions } from './obtain.js';

export interface Checked {
  readonly name: string;
  /** The file or folder that was read. */
  readonly path: string;
  /** What to give as data, with its options. */
  readonly source: string;
  readonly classes: number;
  /** Images that can be used. */
  readonly splits: { readonly train: number; readonly test: number };
  /** What is missing, damaged or other than published; empty when the set is whole. */
  readonly problems: readonly string[];
}

/** Pictures are decoded to this shape, to see whether they can be. */
const smallShape = { height: 8, width: 8, channels: 3 };

/** Finds (downloads where it must) and reads a data set. Throws as `openData` does, when it cannot be used at all. */
export async function checkData(
  source: string,
  options: Omit<ObtainOptions, 'choices'> & Pick<LoadOptions, 'onNotice' | 'onProgress'> = {},
): Promise<Checked> {
  const found = await findData(source, options);
  const { kind, path, choices } = found;
  const dataset = await kind.load(path, { ...options, choices, shape: smallShape });
  const { train, test, classes } = dataset;
  const asked = Object.entries(choices).map(([option, value]) => (value === '' ? option : `${option}=${value}`));
  return {
    name: dataset.name,
    path,
    source: asked.length === 0 ? path : `${path}:${asked.join(',')}`,
    classes: classes.length,
    splits: { train: train.count, test: test.count },
    problems: [...damage(dataset), ...countProblems(found, dataset), ...(await checksumProblems(kind, path, options))],
  };
}

function damage({ train, test }: Dataset): string[] {
  const skipped = (train.skipped ?? 0) + (test.skipped ?? 0);
  return skipped === 0 ? [] : [`${skipped} damaged ${skipped === 1 ? 'record was' : 'records were'} left out`];
}

/** Options and single files change the counts; damaged records were told already. */
function countProblems({ kind: { published }, path, choices }: FoundData, { train, test }: Dataset): string[] {
  if (published?.folders === undefined || Object.keys(choices).length > 0 || statSync(path).isFile()) return [];
  return (['train', 'test'] as const).flatMap((split) => {
    const { count, skipped = 0 } = split === 'train' ? train : test;
    const expected = published.splits[split];
    return count + skipped === expected ? [] : [`${count + skipped} ${split} records, not ${expected} as published`];
  });
}

/** Of the published files that are there as they were published; unpacked archives are not. */
async function checksumProblems(
  { published }: DatasetKind,
  path: string,
  { onProgress }: Pick<LoadOptions, 'onProgress'>,
): Promise<string[]> {
  const problems: string[] = [];
  const files = (published?.downloads ?? []).map((each) => ({ ...each, file: join(path, fileNameOf(each)) }));
  for (const [i, { file, md5 }] of files.entries()) {
    onProgress?.('checking checksums', i, files.length);
    if (!existsSync(file)) continue;
    const actual = await md5Of(file);
    if (actual !== md5) problems.push(`'${file}' has the md5 ${actual}, not ${md5} as published`);
  }
  return problems;
}
