/**
 * Batches for `bench train` from the loader that training uses, worker thread and augmentation included, over random images in
 * memory; and the time that a step waits for its batch.
 */
import { newImageSet } from '../../data/dataset.js';
import { type Batch, createLoader, type Loader } from '../../data/loader.js';
import type { Augmentation } from '../../image/augmentation.js';
import type { ImageShape } from '../../image/shape.js';
import { runPendingEvents } from '../../util/event-loop.js';
import { Philox } from '../../util/philox.js';
import { median } from './timing.js';

/** Of presets that say nothing: CIFAR-10's. */
const usualAugmentation: Augmentation = { cropPadding: 4, flip: true };
const batchesAhead = 3;
/** As many batches as fit in so many bytes make the data set, but some at least. */
const setBytes = 2 ** 24;
const fewestBatches = 4;

interface BenchInputOptions {
  readonly batch: number;
  readonly classes: number;
  readonly augmentation?: Augmentation | undefined;
}

export class BenchInput {
  readonly #loader: Loader;
  readonly #batches: AsyncGenerator<Batch, void, undefined>;

  private constructor(loader: Loader) {
    this.#loader = loader;
    this.#batches = epochsOf(loader);
  }

  static async open(
    shape: ImageShape,
    { batch, classes, augmentation = usualAugmentation }: BenchInputOptions,
  ): Promise<BenchInput> {
    const batchBytes = batch * shape.height * shape.width * shape.channels;
    const set = newImageSet(batch * Math.max(fewestBatches, Math.floor(setBytes / batchBytes)), shape);
    const random = new Philox(1, 'bench');
    const { images, labels } = set;
    for (let i = 0; i < images.length; i++) images[i] = random.word(i >> 2) >>> (8 * (i & 3));
    for (let i = 0; i < labels.length; i++) labels[i] = random.nextInt(classes);
    const zeroPoints = Array<number>(shape.channels).fill(0);
    return new BenchInput(
      await createLoader(set, {
        ...{ batch, zeroPoints, seed: 1, shuffle: true, dropLast: true },
        ...{ augmentation, ahead: batchesAhead },
      }),
    );
  }

  /** The next batch; there is always one. */
  async next(): Promise<Batch> {
    return (await this.#batches.next()).value as Batch;
  }

  /**
   * The median of the milliseconds that a step waits for its batch when steps follow one another, as they do in training. Those
   * that find batches from before they began do not count.
   */
  async measureWait(step: (batch: Batch) => void, steps: number): Promise<number> {
    const waits: number[] = [];
    for (let i = 0; i < batchesAhead + steps; i++) {
      const before = this.#loader.waitedMilliseconds;
      const batch = await this.next();
      if (i >= batchesAhead) waits.push(this.#loader.waitedMilliseconds - before);
      step(batch);
      await runPendingEvents();
    }
    return median(waits);
  }

  close(): Promise<void> {
    return this.#loader.close();
  }
}

async function* epochsOf(loader: Loader): AsyncGenerator<Batch, void, undefined> {
  for (let epoch = 0; ; epoch++) yield* loader.batches(epoch);
}
