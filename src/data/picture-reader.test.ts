import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FormatError, SubbitError, UsageError } from '../util/errors.js';
import { openPictureReader } from './picture-reader.js';

const folder = mkdtempSync(join(tmpdir(), 'subbit-images-'));
const file = join(folder, 'a.png');
writeFileSync(file, '');
afterAll(() => rmSync(folder, { recursive: true }));

/** A stand-in for sharp whose pictures are one red pixel, unless it fails with a message. */
const standIn = (message?: string) => async () => ({
  default() {
    const sharp = {
      rotate: () => sharp,
      toColourspace: () => sharp,
      raw: () => sharp,
      toBuffer: async () => {
        if (message !== undefined) throw new Error(message);
        return { data: Uint8Array.of(255, 0, 0), info: { height: 1, width: 1, channels: 3 } };
      },
    };
    return sharp;
  },
});

test('says what to install when sharp is missing', async () => {
  const missing = () => Promise.reject(new Error('Cannot find package'));
  await expect(openPictureReader(missing)).rejects.toThrow(SubbitError);
  await expect(openPictureReader(missing)).rejects.toThrow('npm install sharp');
});

test('gives the pixels', async () => {
  const read = await openPictureReader(standIn());
  expect(await read(file)).toEqual({ data: Uint8Array.of(255, 0, 0), height: 1, width: 1, channels: 3 });
});

test('names the file that is missing or no picture, in one line', async () => {
  const read = await openPictureReader(standIn('unsupported\nstack'));
  await expect(read(join(folder, 'none.png'))).rejects.toThrow(UsageError);
  await expect(read(file)).rejects.toThrow(FormatError);
  await expect(read(file)).rejects.toThrow(/^cannot read '.*a\.png': unsupported$/);
});
