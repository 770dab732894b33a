import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../util/errors.js';
import type { ImageSet } from './dataset.js';
import { newImageSet, sharedBytes, sharedIntegers } from './dataset.js';
import type { Batch, BatchFeed, Loader, LoaderOptions } from './loader.js';
import { createLoader } from './loader.js';
import { createThreadFeed } from './thread-feed.js';

const zeroPoints = [7, 8, 9];

/** Image i has bytes from which it can be told, and label i. */
function someSet(count: number): ImageSet {
  const set = newImageSet(count, { height: 4, width: 5, channels: 3 });
  for (let i = 0; i < set.images.length; i++) set.images[i] = (i * 31 + Math.floor(i / 60)) % 256;
  for (let i = 0; i < count; i++) set.labels[i] = i;
  return set;
}

interface Seen {
  images: number[];
  labels: number[];
  count: number;
  index: number;
}

const copyOf = ({ images, labels, count, index }: Batch): Seen => {
  return { images: [...images], labels: [...labels], count, index };
};

async function allBatches(loader: Loader, epoch: number, firstBatch?: number): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const batch of loader.batches(epoch, firstBatch)) seen.push(copyOf(batch));
  return seen;
}

async function withLoader<T>(set: ImageSet, options: LoaderOptions, use: (loader: Loader) => Promise<T>): Promise<T> {
  const loader = await createLoader(set, options);
  try {
    return await use(loader);
  } finally {
    await loader.close();
  }
}

const augmentation = { cropPadding: 2, flip: true, brightness: 30, contrast: 0.5, resizedCrop: 0.3 };
const training = { zeroPoints, shuffle: true, dropLast: true, augmentation, ahead: 0 };

describe('without a thread', () => {
  test('evaluation goes in order and pads the last batch', async () => {
    const set = someSet(10);
    await withLoader(set, { batch: 4, zeroPoints }, async (loader) => {
      expect(loader.isThreaded).toBe(false);
      expect(loader.numBatches).toBe(3);
      const seen = await allBatches(loader, 0);
      expect(seen.map(({ count, index }) => [count, index])).toEqual([
        [4, 0],
        [4, 1],
        [2, 2],
      ]);
      expect(seen.flatMap(({ labels }) => labels)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0]);
      expect(seen.flatMap(({ images }) => images).slice(0, 600)).toEqual([...set.images]);
      expect(seen[2]!.images.slice(120)).toEqual(Array(40).fill(zeroPoints).flat());
    });
  });

  test('training drops what does not fill a batch and visits no image twice', async () => {
    await withLoader(someSet(30), { ...training, batch: 7, seed: 3 }, async (loader) => {
      const labels = (await allBatches(loader, 5)).flatMap((batch) => batch.labels);
      expect(labels.length).toBe(28);
      expect(new Set(labels).size).toBe(28);
    });
  });

  test("an image's change does not depend on its batch", async () => {
    const set = someSet(24);
    const imagesByLabel = async (batch: number): Promise<Map<number, number[]>> => {
      const seen = await withLoader(set, { ...training, batch, seed: 4 }, (loader) => allBatches(loader, 2));
      const images = new Map<number, number[]>();
      for (const one of seen) {
        for (const [i, label] of one.labels.entries()) images.set(label, one.images.slice(i * 60, (i + 1) * 60));
      }
      return images;
    };
    expect(await imagesByLabel(3)).toEqual(await imagesByLabel(8));
  });

  test('resuming at batch k equals the tail', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(),
        async (n, batch, k) => {
          const options = { ...training, dropLast: false, batch, seed: 9 };
          await withLoader(someSet(n), options, async (loader) => {
            const whole = await allBatches(loader, 1);
            const first = k % (whole.length + 1);
            expect(await allBatches(loader, 1, first)).toEqual(whole.slice(first));
          });
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('with a thread', () => {
  test('batches equal those without, also after a stop in the middle and a resume', async () => {
    const set = someSet(100);
    for (const options of [
      { ...training, batch: 7, seed: 11 },
      { zeroPoints, batch: 8 },
    ]) {
      const [first, second] = await withLoader(set, { ...options, ahead: 0 }, async (loader) => [
        await allBatches(loader, 0),
        await allBatches(loader, 1),
      ]);
      await withLoader(set, { ...options, ahead: 2 }, async (loader) => {
        expect(loader.isThreaded).toBe(true);
        expect(await allBatches(loader, 0)).toEqual(first);
        for await (const batch of loader.batches(0)) {
          if (batch.index === 4) break;
        }
        expect(await allBatches(loader, 1)).toEqual(second);
        expect(await allBatches(loader, 1, 9)).toEqual(second!.slice(9));
        expect(await allBatches(loader, 1, loader.numBatches)).toEqual([]);
        expect(loader.waitedMilliseconds).toBeGreaterThan(0);
      });
    }
  });

  test('a batch stays as it is while its consumer is slow', async () => {
    await withLoader(someSet(60), { zeroPoints, batch: 4, ahead: 1 }, async (loader) => {
      for await (const batch of loader.batches(0)) {
        const before = copyOf(batch);
        await new Promise((resolve) => setTimeout(resolve, 3));
        expect(copyOf(batch)).toEqual(before);
        expect(before.labels[0]).toBe(before.index * 4);
      }
    });
  });

  test('an error in it reaches the consumer, now and later', async () => {
    const set = someSet(10);
    // The thread cannot add a bigint to a number.
    const augmentation = { cropPadding: 1n as unknown as number, flip: false };
    const plan = { batch: 2, zeroPoints, seed: 0, shuffle: false, dropLast: false, augmentation };
    const memories = [0, 1].map(() => ({ images: sharedBytes(120), labels: sharedIntegers(2) }));
    const feed = createThreadFeed(set, plan, memories) as BatchFeed;
    feed.start(0, 0);
    await expect(feed.next()).rejects.toThrow(/worker thread failed: .*BigInt/);
    await expect(feed.next()).rejects.toThrow(/worker thread failed: .*BigInt/);
    await feed.close();
  });

  test('closing it ends a wait', async () => {
    const loader = await createLoader(someSet(10), { zeroPoints, batch: 2, ahead: 1 });
    const waiting = loader.batches(0).next();
    await Promise.all([loader.close(), expect(waiting).rejects.toThrow()]);
  });

  test('memory that is not shared is refused with a notice, and filled without', async () => {
    const set = someSet(10);
    const notices: string[] = [];
    const options = { zeroPoints, batch: 5, ahead: 2, onNotice: (message: string) => notices.push(message) };
    await withLoader({ ...set, images: Uint8Array.from(set.images) }, options, async (loader) => {
      expect(loader.isThreaded).toBe(false);
      expect((await allBatches(loader, 0)).flatMap(({ labels }) => labels)).toEqual([...set.labels]);
    });
    expect(notices).toEqual(['batches are filled without a worker thread: the images are not in shared memory']);
  });
});

test('sets of 4,000 images and more get a thread unless told otherwise', async () => {
  const large = someSet(4000);
  await withLoader(large, { zeroPoints, batch: 500 }, async (loader) => expect(loader.isThreaded).toBe(true));
  await withLoader(large, { zeroPoints, batch: 500, ahead: 0 }, async (loader) =>
    expect(loader.isThreaded).toBe(false),
  );
});

test('so do smaller ones whose colours or sizes change', async () => {
  const isThreaded = (change: object): Promise<boolean> =>
    withLoader(
      someSet(10),
      { zeroPoints, batch: 5, augmentation: { cropPadding: 2, flip: true, ...change } },
      async (loader) => loader.isThreaded,
    );
  expect(await isThreaded({})).toBe(false);
  expect(await isThreaded({ brightness: 1 })).toBe(true);
  expect(await isThreaded({ resizedCrop: 0.5 })).toBe(true);
});

describe('wrong use:', () => {
  const set = someSet(10);

  test.each([
    { zeroPoints, batch: 0 },
    { zeroPoints, batch: 1.5 },
    { zeroPoints, batch: 11, dropLast: true },
    { zeroPoints: [0], batch: 2 },
    { zeroPoints, batch: 2, ahead: -1 },
    { zeroPoints, batch: 2, augmentation: { cropPadding: 0.5, flip: false } },
    { zeroPoints, batch: 2, augmentation: { cropPadding: 0, flip: false, brightness: 256 } },
    { zeroPoints, batch: 2, augmentation: { cropPadding: 0, flip: false, contrast: -0.1 } },
    { zeroPoints, batch: 2, augmentation: { cropPadding: 0, flip: false, resizedCrop: 1.5 } },
  ])('%j', async (options) => {
    await expect(createLoader(set, options)).rejects.toThrow(UsageError);
  });

  test('a set with fewer bytes than images', async () => {
    const short = { ...set, images: set.images.subarray(1) };
    await expect(createLoader(short, { zeroPoints, batch: 2 })).rejects.toThrow('has 599 bytes and 10 labels');
  });

  test.each([-1, 6, 0.5])('first batch %d of 5', async (first) => {
    await withLoader(set, { zeroPoints, batch: 2 }, async (loader) => {
      await expect(allBatches(loader, 0, first)).rejects.toThrow('the first batch must be an integer in 0..5');
    });
  });

  test.each([0, 2])('two iterations at once, and use after close (ahead %i)', async (ahead) => {
    const loader = await createLoader(set, { zeroPoints, batch: 2, ahead });
    const older = loader.batches(0);
    await older.next();
    const newer = loader.batches(1);
    expect((await newer.next()).value).toMatchObject({ index: 0 });
    await expect(older.next()).rejects.toThrow('a newer iteration');
    expect((await newer.next()).value).toMatchObject({ index: 1 });
    await loader.close();
    await expect(newer.next()).rejects.toThrow('closed');
    await expect(loader.batches(0).next()).rejects.toThrow('closed');
  });
});
