import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, describe, expect, test } from 'vitest';
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

describe('with sharp', () => {
  const noise = Uint8Array.from({ length: 20 * 24 * 3 }, (_, i) => (i * i * 31) % 256);
  const original = () => sharp(noise, { raw: { width: 24, height: 20, channels: 3 } });

  test('reads bytes as well as files, under the name that they are given', async () => {
    const read = await openPictureReader();
    const png = await original().png().toBuffer();
    expect(await read(png, 'row 3')).toMatchObject({ height: 20, width: 24, channels: 3 });
    expect(Uint8Array.from((await read(png, 'row 3')).data)).toEqual(noise);
    await expect(read(png.subarray(0, 50), 'row 3')).rejects.toThrow(/^cannot read 'row 3': /);
  });

  test('a small file that claims a huge picture is refused', async () => {
    const read = await openPictureReader();
    const bomb = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="30000" height="30000"/>');
    await expect(read(bomb, 'bomb')).rejects.toThrow(/^cannot read 'bomb': .*exceeds pixel limit/);
  });

  test('mutated pictures give one line, or pixels', async () => {
    const read = await openPictureReader();
    const originals = [await original().png().toBuffer(), await original().jpeg().toBuffer()];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...originals),
        fc.array(fc.tuple(fc.nat(3000), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        async (bytes, changes) => {
          const mutated = Buffer.from(bytes);
          for (const [at, byte] of changes) mutated[at % mutated.length] = byte;
          try {
            const { data, height, width, channels } = await read(mutated, 'mutated');
            expect(data.length).toBe(height * width * channels);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
            expect((error as Error).message).not.toContain('\n');
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
