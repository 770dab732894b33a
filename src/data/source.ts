/**
 * How a data set is named: a name or path, and after a colon options of its kind, `cifar100:coarse`, `photos:test=0.1,seed=2`. One
 * text, so that a run keeps it whole and every later command reads the same images.
 */
import { existsSync } from 'node:fs';
import { lookUp } from '../util/nearest.js';
import type { DatasetKind } from './dataset.js';

export interface DataSource {
  /** A name of the list, or a path. */
  readonly place: string;
  /** By option; '' for one without a value. */
  readonly choices: Readonly<Record<string, string>>;
}

export function parseSource(text: string): DataSource {
  const match = existsSync(text) ? null : /^(.+):([a-z]+(?:=[^,:]*)?(?:,[a-z]+(?:=[^,:]*)?)*)$/.exec(text);
  if (match === null) return { place: text, choices: {} };
  const pairs = match[2]!.split(',').map((option) => {
    const at = option.indexOf('=');
    return at < 0 ? [option, ''] : [option.slice(0, at), option.slice(at + 1)];
  });
  return { place: match[1]!, choices: Object.fromEntries(pairs) };
}

/** Throws a UsageError for an option that the kind does not have. */
export function checkChoices({ name, options = {} }: DatasetKind, choices: DataSource['choices']): void {
  for (const option of Object.keys(choices)) lookUp(options, option, `option of data set '${name}'`);
}
