/**
 * The loader hands out batches of an image set, filled ahead of their use by a worker thread.
 *
 * Batches lie in a ring of ahead + 1 buffers in shared memory: one is with the consumer, the others are being filled or
 * wait. A batch depends only on the set, the options, the epoch and its index (fill-batch.ts), so that the thread, the
 * number of buffers and a resume at any batch change nothing in it.
 *
 * Filling is copying, microseconds per image, unless colours or sizes change. For a small set of plain copies a thread costs more
 * than it saves; the loader then fills each batch when it is asked for.
 */

import { changesContent, checkAugmentation, noAugmentation } from '../image/augmentation.js';
import { imageBytes } from '../image/shape.js';
import { UsageError } from '../util/errors.js';
import type { Augmentation, ImageSet } from './dataset.js';
import { sharedBytes, sharedIntegers } from './dataset.js';
import { BatchFiller, type BatchMemory, type BatchPlan, numBatches } from './fill-batch.js';

/** Sets of fewer images are filled without a thread unless their filling takes time, or `ahead` says otherwise. */
const smallSet = 4000;
const defaultAhead = 3;

export interface LoaderOptions {
  /** Images per batch. */
  readonly batch: number;
  /** The byte that means 0, per channel. */
  readonly zeroPoints: readonly number[];
  /** @default 0 */
  readonly seed?: number;
  /** Visit the images in a new random order each epoch. @default false */
  readonly shuffle?: boolean;
  /** Leave out the images that do not fill a batch, rather than pad the last one. @default false */
  readonly dropLast?: boolean;
  /** @default none */
  readonly augmentation?: Augmentation;
  /**
   * Batches that a worker thread fills ahead of the one in use; 0 = no thread.
   * @default 3, and 0 for fewer than 4,000 images that are only moved and mirrored
   */
  readonly ahead?: number;
  /** Told in one line when a thread was wanted and there is none. @default console.warn */
  readonly onNotice?: (message: string) => void;
}

export interface Batch extends BatchMemory {
  /** Images in the batch; the places behind them, in the last batch only, hold zero points and label 0. */
  readonly count: number;
  /** The batch's place in its epoch. */
  readonly index: number;
}

/** Where a loader gets its batches from. */
export interface BatchFeed {
  /** Forgets what was under way; the next batches are `first`, `first + 1`, .. of `epoch`. */
  start(epoch: number, first: number): void;
  /** The next batch, in memory that stays as it is until the next call. */
  next(): Promise<BatchMemory & { readonly count: number }>;
  close(): Promise<void>;
}

function newBatchMemory(set: ImageSet, batch: number): BatchMemory {
  return { images: sharedBytes(batch * imageBytes(set)), labels: sharedIntegers(batch) };
}

/** Fills each batch when it is asked for. */
class InlineFeed implements BatchFeed {
  readonly #filler: BatchFiller;
  readonly #memory: BatchMemory;
  #epoch = 0;
  #index = 0;

  constructor(set: ImageSet, plan: BatchPlan) {
    this.#filler = new BatchFiller(set, plan);
    this.#memory = newBatchMemory(set, plan.batch);
  }

  start(epoch: number, first: number): void {
    this.#epoch = epoch;
    this.#index = first;
  }

  async next(): Promise<BatchMemory & { readonly count: number }> {
    return { ...this.#memory, count: this.#filler.fill(this.#epoch, this.#index++, this.#memory) };
  }

  async close(): Promise<void> {}
}

export class Loader {
  /** Batches per epoch. */
  readonly numBatches: number;
  /** Whether a worker thread fills the batches. */
  readonly isThreaded: boolean;
  readonly #feed: BatchFeed;
  #waited = 0;
  #iteration = 0;
  #isClosed = false;

  /** Use createLoader. */
  constructor(feed: BatchFeed, options: { numBatches: number; isThreaded: boolean }) {
    this.#feed = feed;
    this.numBatches = options.numBatches;
    this.isThreaded = options.isThreaded;
  }

  /** How long the consumer has waited for batches so far; without a thread, how long filling them took. */
  get waitedMilliseconds(): number {
    return this.#waited;
  }

  /**
   * The batches of an epoch from `firstBatch` on. A batch's arrays are valid until the next one is asked for. A loader has
   * one iteration at a time: a second one ends the first, which throws when it is continued.
   */
  async *batches(epoch: number, firstBatch = 0): AsyncGenerator<Batch, void, undefined> {
    if (!(Number.isInteger(firstBatch) && firstBatch >= 0 && firstBatch <= this.numBatches)) {
      throw new UsageError(`the first batch must be an integer in 0..${this.numBatches}, not ${firstBatch}`);
    }
    const iteration = ++this.#iteration;
    this.#checkCurrent(iteration);
    this.#feed.start(epoch, firstBatch);
    for (let index = firstBatch; index < this.numBatches; index++) {
      const start = performance.now();
      const filled = await this.#feed.next();
      this.#waited += performance.now() - start;
      this.#checkCurrent(iteration);
      yield { ...filled, index };
      this.#checkCurrent(iteration);
    }
  }

  /** Ends the worker thread. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#feed.close();
  }

  #checkCurrent(iteration: number): void {
    if (this.#isClosed) throw new Error('the loader is closed');
    if (iteration !== this.#iteration) throw new Error('a newer iteration of the same loader has ended this one');
  }
}

function checkOptions(set: ImageSet, options: LoaderOptions): void {
  const { batch, zeroPoints, ahead = 0, dropLast = false, augmentation } = options;
  const refuse = (message: string): never => {
    throw new UsageError(message);
  };
  const isCount = (value: number): boolean => Number.isInteger(value) && value >= 0;
  if (set.images.length !== set.count * imageBytes(set) || set.labels.length !== set.count) {
    refuse(`a set of ${set.count} images has ${set.images.length} bytes and ${set.labels.length} labels`);
  }
  if (!isCount(batch) || batch === 0) refuse(`the batch must be a positive integer, not ${batch}`);
  if (dropLast && batch > set.count) {
    refuse(`a batch of ${batch} is more than the set's ${set.count} images; choose a smaller batch`);
  }
  if (zeroPoints.length !== set.channels) {
    refuse(`images of ${set.channels} channels need as many zero points, not ${zeroPoints.length}`);
  }
  if (!isCount(ahead)) refuse(`batches ahead must be an integer of at least 0, not ${ahead}`);
  if (augmentation !== undefined) checkAugmentation(augmentation);
}

function planOf(options: LoaderOptions): BatchPlan {
  const { batch, zeroPoints, seed = 0, shuffle = false, dropLast = false, augmentation = noAugmentation } = options;
  return { batch, zeroPoints, seed, shuffle, dropLast, augmentation };
}

/** A loader of the set's batches; `close()` it after use. Throws UsageError for options that do not fit the set. */
export async function createLoader(set: ImageSet, options: LoaderOptions): Promise<Loader> {
  checkOptions(set, options);
  const { augmentation = noAugmentation, onNotice = console.warn } = options;
  const isQuick = set.count < smallSet && !changesContent(augmentation);
  const ahead = options.ahead ?? (isQuick ? 0 : defaultAhead);
  if (ahead > 0) {
    const plan = planOf(options);
    const memories = Array.from({ length: ahead + 1 }, () => newBatchMemory(set, plan.batch));
    const { createThreadFeed } = await import('./thread-feed.js');
    const feed = createThreadFeed(set, plan, memories);
    if (typeof feed !== 'string')
      return new Loader(feed, { numBatches: numBatches(set.count, plan), isThreaded: true });
    onNotice(`batches are filled without a worker thread: ${feed}`);
  }
  return createInlineLoader(set, options);
}

/** The same batches, each filled when it is asked for, whatever `ahead` says; needs nothing of Node. */
export function createInlineLoader(set: ImageSet, options: LoaderOptions): Loader {
  checkOptions(set, options);
  const plan = planOf(options);
  return new Loader(new InlineFeed(set, plan), { numBatches: numBatches(set.count, plan), isThreaded: false });
}
