import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterEach, describe, expect, test } from 'vitest';
import { FormatError, UsageError } from '../util/errors.js';
import type { OpenOptions } from './index.js';
import { openData } from './index.js';

const root = mkdtempSync(join(tmpdir(), 'subbit-pictures-'));
afterEach(() => rmSync(root, { recursive: true, force: true }));

const shape = { height: 4, width: 4, channels: 3 };
const open = (path: string, options: OpenOptions = {}) => openData(path, { shape, ...options });

/** A picture of one colour, in any size and format that the name asks for. */
async function picture(name: string, colour: [number, number, number], size = 6): Promise<void> {
  const file = join(root, name);
  mkdirSync(dirname(file), { recursive: true });
  const [r, g, b] = colour;
  await sharp({ create: { width: size, height: size + 1, channels: 3, background: { r, g, b } } }).toFile(file);
}

/** `count` pictures of each class in `folder`, the shade of picture i of class k being 40 k + i. */
async function classes(folder: string, names: readonly string[], count: number): Promise<void> {
  for (const [k, name] of names.entries())
    for (let i = 0; i < count; i++) await picture(`${folder}/${name}/${i}.png`, [40 * k + i, 0, 255], 3 + i);
}

describe('where the splits are:', () => {
  test('train and test in the folder', async () => {
    await classes('set/train', ['b', 'a', 'C'], 3);
    await classes('set/test', ['a', 'b'], 1);
    const { train, test: held, classes: names } = await open(join(root, 'set'));
    expect(names).toEqual(['C', 'a', 'b']);
    expect([...train.labels]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
    expect([...held.labels]).toEqual([1, 2]);
    // Picture i of class k, which the helper counted in another order.
    expect([train.images[0], train.images[9 * 48 - 3]]).toEqual([80, 2]);
    expect([...train.images.subarray(0, 3)]).toEqual([80, 0, 255]);
  });

  test('val beside train', async () => {
    await classes('set/train', ['a', 'b'], 2);
    await classes('set/val', ['a', 'b'], 1);
    const { train, test: held } = await open(join(root, 'set', 'train'));
    expect([train.count, held.count]).toEqual([4, 2]);
  });

  test('test within the classes', async () => {
    await classes('set', ['a', 'b'], 2);
    await classes('set/test', ['b'], 1);
    const { train, test: held, classes: names } = await open(join(root, 'set'));
    expect(names).toEqual(['a', 'b']);
    expect([train.count, held.count]).toEqual([4, 1]);
    await expect(open(`${join(root, 'set')}:test=0.5`)).rejects.toThrow(
      /has a test split, '.*test': leave test=0.5 out/,
    );
  });

  test('none: a share of each class is held out, the same each time', async () => {
    await classes('set', ['a', 'b'], 10);
    const first = await open(join(root, 'set'));
    expect([first.train.count, [...first.test.labels]]).toEqual([16, [0, 0, 1, 1]]);
    expect((await open(join(root, 'set'))).test.images).toEqual(first.test.images);
    const other = await open(`${join(root, 'set')}:test=0.3,seed=2`);
    expect(other.test.count).toBe(6);
  });
});

test('JPEG, grey and transparent pictures, hidden files and other files', async () => {
  await classes('set', ['a', 'b'], 2);
  await picture('set/a/deep/er/p.JPG', [200, 100, 50]);
  const white = sharp({ create: { width: 5, height: 5, channels: 4, background: { r: 9, g: 9, b: 9, alpha: 0 } } });
  await white.png().toFile(join(root, 'set/b/z.png'));
  writeFileSync(join(root, 'set/b/._z.png'), 'not a picture');
  writeFileSync(join(root, 'set/b/readme.txt'), 'not a picture');
  const { train, test: held } = await open(`${join(root, 'set')}:test=0.01`);
  expect(train.count + held.count).toBe(6);
  const all = [...train.images, ...held.images];
  expect(all.filter((byte) => byte === 255).length).toBeGreaterThanOrEqual(48);
});

test('zero points and step are those of the training images', async () => {
  await classes('set/train', ['a', 'b'], 2);
  await classes('set/test', ['a', 'b'], 1);
  const { zeroPoints, step } = await open(join(root, 'set'));
  // Shades 0, 1, 40 and 41: deviation 20.01; the other channels have none.
  expect(zeroPoints).toEqual([21, 0, 255]);
  expect(step).toBe(1 / 7);
});

describe('damaged pictures:', () => {
  const damage = (name: string): void => writeFileSync(join(root, name), 'no picture');

  test('a few are left out and counted', async () => {
    await classes('set', ['a', 'b'], 15);
    damage('set/a/3.png');
    damage('set/b/4.png');
    const notices: string[] = [];
    const whole = `${join(root, 'set')}:test=0.1`;
    const { train, test: held } = await open(whole, { onNotice: (line) => notices.push(line) });
    expect(train.count + held.count).toBe(28);
    expect((train.skipped ?? 0) + (held.skipped ?? 0)).toBe(2);
    expect(notices.join()).toMatch(/left out \d damaged of \d+ records of '.*set': cannot read 'a.3.png'/);
    await expect(open(whole, { strict: true })).rejects.toThrow(/is damaged: cannot read/);
  });

  test('many are an error', async () => {
    await classes('set', ['a', 'b'], 10);
    for (const i of [1, 3, 5, 7]) damage(`set/a/${i}.png`);
    const opening = open(join(root, 'set'));
    await expect(opening).rejects.toThrow(FormatError);
    await expect(opening).rejects.toThrow(
      /cannot read 'a.\d.png': .* and more than \d of the \d+ records are unusable/,
    );
  });
});

describe('wrong use:', () => {
  test('no shape', async () => {
    await classes('set', ['a', 'b'], 1);
    await expect(openData(join(root, 'set'))).rejects.toThrow(UsageError);
  });

  test('an option that folders do not have', async () => {
    await classes('set', ['a', 'b'], 1);
    await expect(open(`${join(root, 'set')}:coarse`)).rejects.toThrow(/unknown option of data set 'pictures' 'coarse'/);
  });

  test('a class without pictures, one class, a class that only the test split has', async () => {
    await classes('set', ['a', 'b'], 1);
    mkdirSync(join(root, 'set/c'));
    await expect(open(join(root, 'set'))).rejects.toThrow(/the class 'c' .* has no pictures/);
    await classes('one', ['a'], 2);
    await expect(open(join(root, 'one'))).rejects.toThrow(/has one class, 'a'/);
    await classes('two/train', ['a', 'b'], 1);
    await classes('two/test', ['d'], 1);
    await expect(open(join(root, 'two'))).rejects.toThrow(/test.d' is a class that .*train' does not have/);
  });
});

const archive = fileURLToPath(new URL('../../../shared/data/clothing10-subset.tar', import.meta.url));
test.skipIf(!existsSync(archive))(`clothing10 unpacks and loads (skipped where ${archive} is absent)`, async () => {
  const { unpackTar } = await import('./tar.js');
  expect(await unpackTar(archive, root, { mostBytes: 1e8 })).toEqual(['clothing10']);
  for (const path of ['clothing10/train', 'clothing10']) {
    const { train, test: held, classes: names } = await open(join(root, path));
    expect([train.count, held.count, names.length]).toEqual([600, 179, 10]);
  }
});
