import { expect, test } from 'vitest';
import { crc32, crc32c } from './crc32.js';

/** The check value of both is that of these nine digits (RFC 3720 B.4 for Castagnoli's). */
const digits = new TextEncoder().encode('123456789');

test('gives the check values', () => {
  expect(crc32(digits)).toBe(0xcbf43926);
  expect(crc32c(digits)).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32(new Uint8Array())).toBe(0);
});
