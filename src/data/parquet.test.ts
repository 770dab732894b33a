import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { encodePng } from '../cli/report/pictures.js';
import { FormatError, SubbitError, UsageError } from '../util/errors.js';
import { openData } from './index.js';
import { parquetExample, parquetOf } from './parquet-example.js';

/** Twelve pictures: i has the colour (20 i, 255 - 20 i, 7) and the label i % 3 (scripts/golden/make_parquet.py). */
const golden = (name: string): string => fileURLToPath(new URL(`../../test/golden/${name}`, import.meta.url));
const shape = { height: 8, width: 8, channels: 3 };

const folder = mkdtempSync(join(tmpdir(), 'subbit-parquet-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Red of each image, by label. */
async function redsOf(path: string): Promise<number[][]> {
  const { train, test: held } = await openData(path, { shape });
  const reds: number[][] = [[], [], []];
  for (const set of [train, held])
    for (const [i, label] of set.labels.entries()) {
      const [red, green, blue] = set.images.subarray(i * 192) as unknown as [number, number, number];
      // JPEG is near.
      expect(Math.abs(red + green - 255) + Math.abs(blue - 7)).toBeLessThan(6);
      reds[label]!.push(Math.round(red / 20) * 20);
    }
  return reds.map((each) => each.sort((a, b) => a - b));
}

const expected = [0, 1, 2].map((label) => [0, 1, 2, 3].map((i) => 20 * (3 * i + label)));

describe("pyarrow's files", () => {
  test('with a struct, features and several row groups', async () => {
    expect(await redsOf(golden('pictures.parquet'))).toEqual(expected);
    const { classes, train, test: held } = await openData(golden('pictures.parquet'), { shape });
    expect(classes).toEqual(['cat', 'dog', 'hen']);
    expect([train.count, held.count]).toEqual([9, 3]);
  });

  test('with plain bytes, labels as text, gzip and pages of version 2', async () => {
    expect(await redsOf(golden('pictures-text.parquet'))).toEqual(expected);
    expect((await openData(golden('pictures-text.parquet'), { shape })).classes).toEqual(['cat', 'dog', 'hen']);
  });

  test('in a folder, by split', async () => {
    const data = join(folder, 'set', 'data');
    mkdirSync(data, { recursive: true });
    const bytes = readFileSync(golden('pictures.parquet'));
    for (const name of ['train-00000-of-00002', 'train-00001-of-00002', 'validation-00000-of-00001'])
      writeFileSync(join(data, `${name}.parquet`), bytes);
    const { train, test: held } = await openData(join(folder, 'set'), { shape });
    expect([train.count, held.count]).toEqual([24, 12]);
    expect([...held.labels]).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
  });

  test('with columns that the user names', async () => {
    const opening = openData(`${golden('pictures.parquet')}:image=animals`, { shape });
    await expect(opening).rejects.toThrow(UsageError);
    await expect(opening).rejects.toThrow(/no column 'animals'; say which with image=COLUMN: picture, animal/);
    const { classes } = await openData(`${golden('pictures.parquet')}:image=picture,label=animal`, { shape });
    expect(classes).toHaveLength(3);
  });
});

test('a column of other things in place of pictures is an error', async () => {
  await expect(openData(`${golden('pictures.parquet')}:image=animal`, { shape })).rejects.toThrow(
    /pictures.parquet, row 0 has no picture/,
  );
});

/** Pictures of one shade, 20 times the label. */
function numbered(labels: readonly number[], labelType: 'INT64' | 'DOUBLE'): Buffer {
  const pictures = labels.map((label) => encodePng(new Uint8Array(192).fill(20 * Math.max(0, label)), shape));
  return parquetExample({ pictures, labels, labelType });
}

test.each([
  ['INT64', [-1]],
  ['DOUBLE', [-1, 2.5]],
] as const)('labels of type %s that are no classes are left out, and the others keep their names', async (type, others) => {
  const labels = Array.from({ length: 40 }, (_, i) => others[i - 7] ?? i % 10);
  const file = join(folder, `${type}.parquet`);
  writeFileSync(file, numbered(labels, type));
  const { classes, train, test: held } = await openData(file, { shape });
  expect(classes).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  expect(train.count + held.count).toBe(40 - others.length);
  for (const set of [train, held])
    for (const [i, label] of set.labels.entries()) expect(classes[label]).toBe(String(set.images[192 * i]! / 20));
});

test('a label that promises many classes is an error, whatever the others are', async () => {
  const file = join(folder, 'many.parquet');
  const labels = Array.from({ length: 40 }, (_, i) => (i === 3 ? -1 : i === 4 ? 2 ** 40 : i % 10));
  writeFileSync(file, numbered(labels, 'INT64'));
  await expect(openData(file, { shape })).rejects.toThrow(/has more than 10000 classes; say which with label=COLUMN/);
});

// A struct whose first field is a list of 2^20 - 1 lists.
const manyLists = [0x19, 0xf9, 0xff, 0xff, 0x3f];

test('sizes in the thrift of a footer or of a page are checked before anything is made of them', async () => {
  const file = join(folder, 'hostile.parquet');
  const page = numbered([0, 1, 2, 0, 1, 2], 'INT64');
  page.set(manyLists, 4);
  for (const bytes of [parquetOf(new Uint8Array(), Uint8Array.from(manyLists)), page]) {
    writeFileSync(file, bytes);
    const opening = openData(file, { shape });
    await expect(opening).rejects.toThrow(FormatError);
    await expect(opening).rejects.toThrow(/its thrift has a list of 1048575 elements at 5 of \d+ bytes/);
  }
});

test('mutated and cut files give one line, or images', async () => {
  const originals = ['pictures.parquet', 'pictures-text.parquet'].map((name) => readFileSync(golden(name)));
  const file = join(folder, 'mutated.parquet');
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...originals),
      // Half of the changes go to the footer, where counts and places are.
      fc.array(fc.tuple(fc.nat(1500), fc.boolean(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.option(fc.nat(4000), { freq: 8 }),
      async (original, changes, cut) => {
        const bytes = Buffer.from(original);
        for (const [at, isFooter, byte] of changes)
          bytes[isFooter ? bytes.length - 1 - (at % bytes.length) : (at * 2) % bytes.length] = byte;
        bytes.write('PAR1');
        writeFileSync(file, cut === null ? bytes : bytes.subarray(0, Math.max(4, bytes.length - cut)));
        try {
          await openData(file, { shape });
        } catch (error) {
          expect(error, (error as Error).stack).toBeInstanceOf(SubbitError);
          expect((error as Error).message).not.toContain('\n');
        }
      },
    ),
    { numRuns: 400 },
  );
});
