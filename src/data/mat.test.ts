import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { FormatError } from '../util/errors.js';
import { readMat } from './mat.js';
import { compressed, matArray, matFile } from './mat-example.js';

const folder = mkdtempSync(join(tmpdir(), 'subbit-mat-'));
const file = join(folder, 'a.mat');
afterAll(() => rmSync(folder, { recursive: true }));

interface Seen {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

async function arraysOf(bytes: Uint8Array): Promise<Seen[]> {
  writeFileSync(file, bytes);
  const seen: Seen[] = [];
  await readMat(file, async (array) => {
    const { name, shape } = array;
    if (!array.isBytes) {
      seen.push({ name, shape, values: [...(await array.values())] });
      return;
    }
    const values: number[] = [];
    for await (const piece of array.pieces()) values.push(...piece);
    seen.push({ name, shape, values });
  });
  return seen;
}

const bytesArray = { name: 'X', shape: [2, 3], type: 2, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };
const doubles = { name: 'labels', shape: [2, 1], type: 9, data: new Uint8Array(Float64Array.of(10, -0.5).buffer) };
/** One element that lies in its tag. */
const small = { name: 'y', shape: [3, 1], type: 2, data: Uint8Array.of(7, 8, 9) };
const expected = [
  { name: 'X', shape: [2, 3], values: [1, 2, 3, 4, 5, 6] },
  { name: 'labels', shape: [2, 1], values: [10, -0.5] },
  { name: 'y', shape: [3, 1], values: [7, 8, 9] },
];

test('reads arrays, plain and compressed', async () => {
  const plain = [bytesArray, doubles, small].map(matArray);
  expect(await arraysOf(matFile(plain))).toEqual(expected);
  expect(await arraysOf(matFile(plain.map(compressed)))).toEqual(expected);
});

test('arrays that are not read are skipped', async () => {
  writeFileSync(file, matFile([bytesArray, doubles].map(matArray).map(compressed)));
  const names: string[] = [];
  await readMat(file, async ({ name }) => void names.push(name));
  expect(names).toEqual(['X', 'labels']);
});

test.each([
  ['no MAT file', () => Buffer.from('hello'), /is no MAT file of version 5/],
  ['big-endian', () => matFile([], 'MI'), /not little-endian/],
  ['an element of another type', () => matFile([Buffer.from([9, 0, 0, 0, 0, 0, 0, 0])]), /at byte 128 has type 9/],
  [
    'extents and bytes that differ',
    () => matFile([matArray({ ...bytesArray, shape: [2, 4] })]),
    /of \[2, 4\] has 6 bytes, not 8/,
  ],
  ['negative extents', () => matFile([matArray({ ...bytesArray, shape: [-2, -3] })]), /extents are \[-2, -3\]/],
  ['elements that are no numbers', () => matFile([matArray({ ...bytesArray, type: 16 })]), /elements of type 16/],
])('%s is refused', async (_, bytes, message) => {
  const reading = arraysOf(bytes());
  await expect(reading).rejects.toThrow(FormatError);
  await expect(reading).rejects.toThrow(message);
});

test('more bytes than a small element has room for are refused', async () => {
  const six = matArray({ ...small, shape: [6, 1] });
  six.writeUInt16LE(6, six.length - 6);
  for (const element of [six, compressed(six)]) {
    const reading = arraysOf(matFile([element]));
    await expect(reading).rejects.toThrow(FormatError);
    await expect(reading).rejects.toThrow(/an element of type 2 has 6 bytes in a tag with room for 4/);
  }
});

test('a promise of 4 GB is refused before anything is allocated', async () => {
  const huge = Buffer.from(compressed(matArray({ ...bytesArray, shape: [65535, 65535], promised: 65535 * 65535 })));
  await expect(arraysOf(matFile([huge]))).rejects.toThrow(/promises 4294836225 bytes, which cannot be there/);
});

test('a file that is cut anywhere says so', async () => {
  for (const element of [matArray(doubles), compressed(matArray(doubles))]) {
    const whole = matFile([element]);
    for (let length = 1; length < whole.length; length++) {
      if (length === 128) continue;
      await expect(arraysOf(whole.subarray(0, length)), String(length)).rejects.toThrow(FormatError);
    }
  }
});

test('mutated files give one line, or arrays', async () => {
  const originals = [
    matFile([bytesArray, small].map(matArray)),
    matFile([bytesArray, small].map(matArray).map(compressed)),
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...originals),
      fc.array(fc.tuple(fc.nat(10_000), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      async (original, changes) => {
        const bytes = Buffer.from(original);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        try {
          await arraysOf(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
          expect((error as Error).message).not.toContain('\n');
        }
      },
    ),
    { numRuns: 400 },
  );
});
