import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { FormatError, SubbitError } from '../util/errors.js';
import { fashionMnist } from './fashion-mnist.js';
import { readIdx } from './idx.js';
import { mnist } from './mnist.js';

const root = mkdtempSync(join(tmpdir(), 'subbit-mnist-'));
afterAll(() => rmSync(root, { recursive: true }));
let directory: string;
let numDirectories = 0;
beforeEach(() => {
  directory = join(root, `mnist-${numDirectories++}`);
  mkdirSync(directory);
});

/** The bytes of an IDX file of unsigned bytes. */
function idx(extents: readonly number[], elements: Uint8Array, magic = 0x0800 + extents.length): Buffer {
  const header = Buffer.alloc(4 + 4 * extents.length);
  header.writeUInt32BE(magic);
  for (const [axis, extent] of extents.entries()) header.writeUInt32BE(extent, 4 + 4 * axis);
  return Buffer.concat([header, elements]);
}

const pixels = (count: number): Uint8Array => Uint8Array.from({ length: count * 784 }, (_, i) => (i * 7) % 251);
const labels = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, i) => i % 10);

/** Writes a small set; `files` replaces or, by undefined, leaves out single files. */
function writeSet(files: Record<string, Buffer | undefined> = {}): void {
  const whole = {
    'train-images-idx3-ubyte': idx([12, 28, 28], pixels(12)),
    'train-labels-idx1-ubyte': idx([12], labels(12)),
    't10k-images-idx3-ubyte.gz': gzipSync(idx([5, 28, 28], pixels(5))),
    't10k-labels-idx1-ubyte.gz': gzipSync(idx([5], labels(5))),
  };
  for (const [name, bytes] of Object.entries({ ...whole, ...files })) {
    if (bytes !== undefined) writeFileSync(join(directory, name), bytes);
  }
}

async function failure(): Promise<Error> {
  const error = await mnist.load(directory).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(FormatError);
  expect(error.message).toContain(directory);
  expect(error.message).not.toContain('\n');
  return error;
}

describe('a small set', () => {
  test('loads, plain and compressed', async () => {
    writeSet();
    const { train, test: held } = await mnist.load(directory);
    expect(train).toMatchObject({ count: 12, height: 28, width: 28, channels: 1 });
    expect(train.images).toEqual(pixels(12));
    expect([...train.labels]).toEqual([...labels(12)]);
    expect(held.count).toBe(5);
    expect(held.images).toEqual(pixels(5));
    expect(held.images.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  test("is MNIST or Fashion-MNIST by its directory's name", () => {
    writeSet();
    expect(mnist.locate(directory)).toBe(directory);
    expect(fashionMnist.locate(directory)).toBeUndefined();
    const plain = directory;
    directory = join(root, 'my-Fashion-files');
    mkdirSync(directory);
    writeSet();
    expect(fashionMnist.locate(directory)).toBe(directory);
    expect(mnist.locate(directory)).toBeUndefined();
    expect(mnist.locate(join(plain, 'elsewhere'))).toBeUndefined();
  });
});

describe('a damaged file is refused:', () => {
  const whole = idx([12, 28, 28], pixels(12));
  const name = 'train-images-idx3-ubyte';

  test('missing', async () => {
    writeSet({ 't10k-labels-idx1-ubyte.gz': undefined });
    expect((await failure()).message).toContain('t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz is missing');
  });

  test('empty, or ending in its header', async () => {
    writeSet({ [name]: Buffer.alloc(0) });
    expect((await failure()).message).toContain('expected a header of 16 bytes, found 0');
    writeSet({ [name]: whole.subarray(0, 10) });
    expect((await failure()).message).toContain('expected a header of 16 bytes, found 10');
  });

  test('truncated', async () => {
    writeSet({ [name]: whole.subarray(0, -1) });
    expect((await failure()).message).toContain('promises 9424 bytes, found 9423');
  });

  test('too long', async () => {
    writeSet({ [name]: Buffer.concat([whole, Buffer.alloc(3)]) });
    expect((await failure()).message).toContain('promises 9424 bytes, found 9427');
  });

  test('of another magic', async () => {
    writeSet({ [name]: idx([12, 28, 28], pixels(12), 0x0d03) });
    expect((await failure()).message).toContain('magic 0x00000d03, not 0x00000803');
  });

  test('labels in place of images', async () => {
    writeSet({ [name]: idx([12], labels(12)) });
    expect((await failure()).message).toContain('magic 0x00000801, not 0x00000803');
  });

  test('images of another size', async () => {
    writeSet({ [name]: idx([12, 32, 32], new Uint8Array(12 * 1024)) });
    expect((await failure()).message).toContain('32x32; expected 28x28');
  });

  test('without images', async () => {
    writeSet({ [name]: idx([0, 28, 28], new Uint8Array(0)) });
    expect((await failure()).message).toContain('no items');
  });

  test('a count of 4 billion, without allocating it', async () => {
    writeSet({ [name]: idx([0xffffffff, 28, 28], pixels(1)) });
    expect((await failure()).message).toContain('promises 3367254359296 bytes, found 800');
    writeSet({ [name]: gzipSync(idx([0xffffffff, 28, 28], pixels(1))) });
    expect((await failure()).message).toContain('promises 3367254359296 bytes');
  });

  test('one label more than images', async () => {
    writeSet({ 'train-labels-idx1-ubyte': idx([13], labels(13)) });
    expect((await failure()).message).toContain('13 labels for the 12 images');
  });

  test('a label out of range', async () => {
    const damaged = labels(12).fill(10, 7, 8);
    writeSet({ 'train-labels-idx1-ubyte': idx([12], damaged) });
    await expect(mnist.load(directory, { strict: true })).rejects.toThrow("' is damaged: label 7 is 10, not in 0..9");
    const notices: string[] = [];
    const { train } = await mnist.load(directory, { onNotice: (line) => notices.push(line) });
    expect([...train.labels]).toEqual([...damaged].filter((label) => label < 10));
    expect(train.images).toEqual(Uint8Array.from([...pixels(12)].filter((_, i) => Math.floor(i / 784) !== 7)));
    expect(notices).toEqual([expect.stringMatching(/^left out 1 damaged of 12 records of '.*': label 7 is 10/)]);
    writeSet({ 'train-labels-idx1-ubyte': idx([12], damaged.fill(11, 2, 3)) });
    expect((await failure()).message).toMatch(/label 2 is 11.* and more than 1 of the 12 records are unusable/);
  });

  test('a truncated, corrupted, too short or too long compressed file', async () => {
    const compressed = gzipSync(whole);
    const load = async (bytes: Buffer): Promise<string> => {
      writeSet({ [name]: bytes });
      return (await failure()).message;
    };
    expect(await load(compressed.subarray(0, -20))).toMatch(/promises 9424 bytes, found \d+ before the .* ends early/);
    expect(await load(compressed.subarray(0, 12))).toMatch(/expected a header of 16 bytes, found [01]/);
    const corrupted = Buffer.from(compressed);
    corrupted[corrupted.length - 6]! ^= 1;
    expect(await load(corrupted)).toContain('incorrect data check');
    expect(await load(gzipSync(whole.subarray(0, -5)))).toContain('promises 9424 bytes, found 9419');
    expect(await load(gzipSync(Buffer.concat([whole, Buffer.alloc(9)])))).toContain('promises 9424 bytes, found more');
    expect(await load(gzipSync(Buffer.alloc(1e7, whole.subarray(0, 16))))).toContain('promises 9424 bytes, found more');
  });
});

test('readIdx answers any bytes with a FormatError or items of the promised length', async () => {
  const file = join(root, 'fuzz');
  const plain = gzipSync(idx([3], labels(3)));
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.uint8Array({ maxLength: 40 }).map((rest) => Buffer.concat([plain.subarray(0, 10), rest])),
    fc
      .uint8Array({ minLength: 1, maxLength: 9 })
      .map((rest) => Buffer.concat([Buffer.from([0, 0, 8, 1, 0, 0, 0]), rest])),
    fc.tuple(fc.nat(plain.length - 1), fc.nat(255)).map(([at, byte]) => {
      const damaged = Buffer.from(plain);
      damaged[at] = byte;
      return damaged;
    }),
  );
  await fc.assert(
    fc.asyncProperty(anyBytes, async (bytes) => {
      writeFileSync(file, bytes);
      try {
        const { count, items } = await readIdx(file, []);
        expect(items.length).toBe(count);
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
      }
    }),
    { numRuns: 300 },
  );
});

test('a directory in place of a file is an error that names it', async () => {
  writeSet({ 'train-images-idx3-ubyte': undefined });
  mkdirSync(join(directory, 'train-images-idx3-ubyte'));
  await expect(mnist.load(directory)).rejects.toThrow(SubbitError);
  await expect(mnist.load(directory)).rejects.toThrow(/cannot read .*train-images-idx3-ubyte/);
});

const real = fileURLToPath(new URL('../../../shared/data/fashion-mnist', import.meta.url));
test.skipIf(!existsSync(real))(`Fashion-MNIST loads (skipped where ${real} is absent)`, async () => {
  const { train, test: held, classes } = await fashionMnist.load(real);
  expect([train.count, held.count]).toEqual([60_000, 10_000]);
  expect([...train.labels.subarray(0, 10)]).toEqual([9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
  expect(classes[train.labels[0]!]).toBe('Ankle boot');
  for (let label = 0; label < 10; label++) expect(train.labels.filter((l) => l === label).length).toBe(6000);
});
