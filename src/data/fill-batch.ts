/**
 * Filling one batch: the whole work of the loader as a function of its arguments, called by the loader's worker thread and,
 * where there is none, by the loader itself.
 */

import { imageBytes } from '../image/shape.js';
import { Philox } from '../util/philox.js';
import { drawChange, writeChanged } from './augment.js';
import type { Augmentation, ImageSet } from './dataset.js';
import { epochOrder } from './order.js';

/** How a set is cut into batches. Plain data: it is sent to the worker thread. */
export interface BatchPlan {
  /** Images per batch. */
  readonly batch: number;
  readonly seed: number;
  readonly shuffle: boolean;
  /** Leave out the images that do not fill a batch, rather than pad the last one. */
  readonly dropLast: boolean;
  readonly augmentation: Augmentation;
  /** The byte that means 0, per channel: fills what a crop leaves open, and the places behind a last batch's images. */
  readonly zeroPoints: readonly number[];
}

export interface BatchMemory {
  /** [batch, height, width, channels] */
  readonly images: Uint8Array;
  /** [batch] */
  readonly labels: Int32Array;
}

export function numBatches(count: number, plan: BatchPlan): number {
  return plan.dropLast ? Math.floor(count / plan.batch) : Math.ceil(count / plan.batch);
}

/**
 * Writes batch `index` of the epoch that visits the images in `order` to `memory`, and returns the number of its images.
 * Places behind them get zero points and label 0.
 */
export function fillBatch(
  set: ImageSet,
  plan: BatchPlan,
  { order, epoch, index }: { order: Uint32Array; epoch: number; index: number },
  memory: BatchMemory,
): number {
  const { augmentation, zeroPoints } = plan;
  const size = imageBytes(set);
  const first = index * plan.batch;
  const count = Math.min(plan.batch, order.length - first);
  const isChanging = augmentation.cropPadding > 0 || augmentation.flip;
  const random = new Philox(plan.seed, 'augment', epoch);
  for (let i = 0; i < count; i++) {
    const image = order[first + i] as number;
    memory.labels[i] = set.labels[image] as number;
    if (isChanging) {
      writeChanged(set, image, drawChange(random, image, augmentation), zeroPoints, memory.images, i * size);
    } else {
      memory.images.set(set.images.subarray(image * size, (image + 1) * size), i * size);
    }
  }
  memory.labels.fill(0, count);
  for (let at = count * size; at < plan.batch * size; at++) memory.images[at] = zeroPoints[at % set.channels] as number;
  return count;
}

/** Fills the batches of a set in any sequence, keeping the current epoch's order. */
export class BatchFiller {
  readonly #set: ImageSet;
  readonly #plan: BatchPlan;
  #epoch: number | undefined;
  #order: Uint32Array = new Uint32Array(0);

  constructor(set: ImageSet, plan: BatchPlan) {
    this.#set = set;
    this.#plan = plan;
  }

  /** As fillBatch. */
  fill(epoch: number, index: number, memory: BatchMemory): number {
    if (epoch !== this.#epoch) {
      this.#order = epochOrder(this.#set.count, { ...this.#plan, epoch });
      this.#epoch = epoch;
    }
    return fillBatch(this.#set, this.#plan, { order: this.#order, epoch, index }, memory);
  }
}
