/**
 * A test split for data that comes without one: the same share of every class, drawn at random by a seed that is part of the
 * data's name and not of a training's, so that every command that reads the data holds out the same images.
 */

import { imageBytes } from '../image/shape.js';
import { UsageError } from '../util/errors.js';
import { Philox } from '../util/philox.js';
import { type ImageSet, newImageSet } from './dataset.js';

/** The options of kinds that may need a hold-out (DatasetKind.options). */
export const holdOutOptions = {
  test: 'share of each class to hold out when there is no test split, like test=0.1; 0.2 by default',
  seed: 'which images are held out, like seed=2; 1 by default',
} as const;

/** Per record, whether it is held out: of each class with two records or more at least one, and never all. */
export function holdOut(
  labels: ArrayLike<number>,
  numClasses: number,
  choices: Readonly<Record<string, string>> = {},
): Uint8Array {
  const share = Number(choices.test ?? 0.2);
  const seed = Number(choices.seed ?? 1);
  if (!(share > 0 && share < 1)) throw new UsageError(`test=${choices.test}: the share must be between 0 and 1`);
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31))
    throw new UsageError(`seed=${choices.seed}: the seed must be an integer in 0..2147483647`);
  const byClass: number[][] = Array.from({ length: numClasses }, () => []);
  for (let i = 0; i < labels.length; i++) byClass[labels[i] as number]!.push(i);
  const isHeldOut = new Uint8Array(labels.length);
  for (const [label, members] of byClass.entries()) {
    new Philox(seed, 'hold-out', label).shuffle(members);
    const count = Math.min(members.length - 1, Math.max(1, Math.round(share * members.length)));
    for (const member of members.slice(0, Math.max(0, count))) isHeldOut[member] = 1;
  }
  return isHeldOut;
}

/** Splits a set in two, both in its order. */
export function splitSet(set: ImageSet, isTest: Uint8Array): { train: ImageSet; test: ImageSet } {
  const numTest = isTest.reduce((sum, flag) => sum + flag, 0);
  const train = newImageSet(set.count - numTest, set);
  const test = newImageSet(numTest, set);
  const size = imageBytes(set);
  const filled = { train: 0, test: 0 };
  for (let i = 0; i < set.count; i++) {
    const to = isTest[i] ? 'test' : 'train';
    const into = to === 'test' ? test : train;
    const at = filled[to]++;
    into.images.set(set.images.subarray(i * size, (i + 1) * size), at * size);
    into.labels[at] = set.labels[i] as number;
  }
  return { train: { ...train, ...(set.skipped === undefined ? {} : { skipped: set.skipped }) }, test };
}
