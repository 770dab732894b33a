import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { FormatError, SubbitError, UsageError } from '../util/errors.js';
import { unpackTar } from './tar.js';
import { type ExampleEntry, tarFile } from './tar-example.js';

const root = mkdtempSync(join(tmpdir(), 'subbit-tar-'));
afterAll(() => rmSync(root, { recursive: true }));
let folder = '';
let numFolders = 0;
beforeEach(() => {
  folder = join(root, String(numFolders++), 'here');
});

const archive = join(root, 'a.tar');
async function unpack(bytes: Uint8Array, mostBytes = 1e6): Promise<string[]> {
  writeFileSync(archive, bytes);
  return unpackTar(archive, folder, { mostBytes });
}

const data = Uint8Array.from({ length: 1300 }, (_, i) => i % 256);
const entries: readonly ExampleEntry[] = [
  { name: 'pax', type: 'x', data: Buffer.from('30 mtime=1') },
  { name: './set/', type: '5' },
  { name: './set/a.bin', data },
  { name: 'set/deep/er/b.txt', data: Buffer.from('b') },
  { name: 'empty' },
];

test.each([
  ['plain', (bytes: Buffer) => bytes],
  ['compressed', (bytes: Buffer) => gzipSync(bytes)],
])('unpacks files and folders, %s', async (_, pack) => {
  expect((await unpack(pack(tarFile(entries)))).sort()).toEqual(['empty', 'set']);
  expect(new Uint8Array(readFileSync(join(folder, 'set/a.bin')))).toEqual(data);
  expect(readFileSync(join(folder, 'set/deep/er/b.txt'), 'utf8')).toBe('b');
  expect(readdirSync(folder).sort()).toEqual(['empty', 'set']);
});

describe('refuses, and leaves nothing behind:', () => {
  test.each<[string, ExampleEntry, RegExp]>([
    ['a name that leads out', { name: '../b', data }, /'..\/b' leads out/],
    ['one that leads out later', { name: 'set/../../b', data }, /leads out/],
    ['an absolute name', { name: '/tmp/b', data }, /leads out/],
    ['a name of Windows', { name: 'c:\\b', data }, /leads out/],
    ['a link', { name: 'b', type: '2' }, /neither a file nor a folder \(type '2'\)/],
    ['a device', { name: 'b', type: '3' }, /neither a file nor a folder/],
    ['a size that is none', { name: 'b', size: '-1' }, /size of 'b' is not a number/],
    ['a size beyond the end', { name: 'b', size: '00000002000' }, /ends \d+ bytes early/],
    ['a size beyond the limit', { name: 'b', size: '77777777777' }, /more than 1000000 bytes/],
  ])('%s', async (_, entry, message) => {
    const unpacking = unpack(tarFile([{ name: 'first', data }, entry]));
    await expect(unpacking).rejects.toThrow(FormatError);
    await expect(unpacking).rejects.toThrow(message);
    expect(readdirSync(folder)).toEqual([]);
    expect(existsSync(join(folder, '../b'))).toBe(false);
  });

  test('what is there already', async () => {
    mkdirSync(join(folder, 'set'), { recursive: true });
    await expect(unpack(tarFile(entries))).rejects.toThrow(UsageError);
    expect(readdirSync(join(folder, 'set'))).toEqual([]);
  });

  test('a bomb', async () => {
    await expect(unpack(gzipSync(tarFile([{ name: 'b', data: new Uint8Array(2e6) }])))).rejects.toThrow(
      /more than 1000000/,
    );
  });
});

test('mutated and cut archives give one line, or files within the folder', async () => {
  const originals = [tarFile(entries), gzipSync(tarFile(entries))];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...originals),
      fc.array(fc.tuple(fc.nat(10_000), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.option(fc.nat(4000), { freq: 4 }),
      async (original, changes, cut) => {
        const bytes = Buffer.from(original);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        folder = join(root, 'fuzz', 'here');
        rmSync(join(root, 'fuzz'), { recursive: true, force: true });
        try {
          await unpack(cut === null ? bytes : bytes.subarray(0, Math.max(1, bytes.length - cut)));
        } catch (error) {
          expect(error, (error as Error).stack).toBeInstanceOf(SubbitError);
          expect((error as Error).message).not.toContain('\n');
        }
        expect(readdirSync(join(root, 'fuzz'))).toEqual(['here']);
      },
    ),
    { numRuns: 300 },
  );
});
