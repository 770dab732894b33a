/**
 * Filling one batch: the whole work of the loader as a function of its arguments, called by the loader's worker thread and,
 * where there is none, by the loader itself.
 */

import { imageBytes } from '../image/shape.js';
import { Augmenter } from './augment.js';
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

/** Fills the batches of a set in any sequence, keeping the current epoch's order. */
export class BatchFiller {
  readonly #set: ImageSet;
  readonly #plan: BatchPlan;
  readonly #augmenter: Augmenter;
  #epoch: number | undefined;
  #order: Uint32Array = new Uint32Array(0);
  #write: ReturnType<Augmenter['ofEpoch']> = () => {};

  constructor(set: ImageSet, plan: BatchPlan) {
    this.#set = set;
    this.#plan = plan;
    this.#augmenter = new Augmenter(set, plan);
  }

  /**
   * Writes batch `index` of an epoch to `memory`, and returns the number of its images. Places behind them get zero points and
   * label 0.
   */
  fill(epoch: number, index: number, memory: BatchMemory): number {
    if (epoch !== this.#epoch) {
      this.#order = epochOrder(this.#set.count, { ...this.#plan, epoch });
      this.#write = this.#augmenter.ofEpoch(epoch);
      this.#epoch = epoch;
    }
    const { batch, zeroPoints } = this.#plan;
    const { labels, channels } = this.#set;
    const size = imageBytes(this.#set);
    const first = index * batch;
    const count = Math.min(batch, this.#order.length - first);
    for (let i = 0; i < count; i++) {
      const image = this.#order[first + i] as number;
      memory.labels[i] = labels[image] as number;
      this.#write(image, memory.images, i * size);
    }
    memory.labels.fill(0, count);
    for (let at = count * size; at < batch * size; at++) memory.images[at] = zeroPoints[at % channels] as number;
    return count;
  }
}
