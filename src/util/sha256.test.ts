import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Philox } from './philox.js';
import { sha256 } from './sha256.js';

test('gives the digests of FIPS 180-4', () => {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  expect(sha256([text('abc')])).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(sha256([text('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')])).toBe(
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  );
});

test('equals the digest of Node for every length around a block, however it is cut', () => {
  const random = new Philox(1, 'sha256');
  for (let length = 0; length < 200; length++) {
    const bytes = Uint8Array.from({ length }, () => random.nextInt(256));
    const cut = random.nextInt(length + 1);
    const other = cut + random.nextInt(length - cut + 1);
    const expected = createHash('sha256').update(bytes).digest('hex');
    expect(sha256([bytes.subarray(0, cut), bytes.subarray(cut, other), bytes.subarray(other)])).toBe(expected);
  }
});
