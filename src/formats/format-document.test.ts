/** The example of docs/format.md is what the writer writes. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { encodeSafetensors } from './safetensors.js';
import { decodeSubbit, encodeSubbit } from './subbit.js';
import { verificationImages } from './verification.js';

const text = readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8');
const header = JSON.parse(/```json\n([^`]*)```/.exec(text)![1]!) as {
  __metadata__: Record<string, unknown>;
};
const metadata = { ...header.__metadata__, graph: JSON.stringify(header.__metadata__.graph) } as Record<string, string>;
const file = encodeSafetensors(
  {
    'verification/expected': { shape: [1, 2], data: Int32Array.of(121, -121) },
    'fc/filter': { shape: [1], data: Uint8Array.of(0xaa) },
  },
  metadata,
);

test('the header and the data of the example are a file that the reader takes and the writer writes', () => {
  const { network } = decodeSubbit(file, 'docs/format.md');
  expect(encodeSubbit(network)).toEqual(file);
  expect(text).toContain(`dark from light, ${file.length} bytes`);
  expect([...network.constants['fc/filter']!.data]).toEqual([0, 1, 0, 1, 0, 1, 0, 1]);
  expect([...verificationImages(network.input, 1, 1)]).toEqual([26, 70, 215, 80]);
});

test('the bytes of the example stand where it says', () => {
  const lines = [...text.matchAll(/^([0-9a-f]{4}) {2}((?:[0-9a-f]{2} +)+)/gm)];
  expect(lines.length).toBe(4);
  for (const [, offset, bytes] of lines) {
    const shown = bytes!
      .trim()
      .split(/ +/)
      .map((byte) => Number.parseInt(byte, 16));
    const start = Number.parseInt(offset!, 16);
    expect([...file.subarray(start, start + shown.length)], offset).toEqual(shown);
  }
});
