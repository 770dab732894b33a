import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../util/errors.js';
import { formatBits, parseBits } from './bits.js';

describe('parseBits', () => {
  test('reads W-A-G', () => {
    expect(parseBits('1-2-4')).toEqual({ weight: 1, activation: 2, gradient: 4 });
    expect(parseBits('32-32-32')).toEqual({ weight: 32, activation: 32, gradient: 32 });
    expect(parseBits('8-1-32')).toEqual({ weight: 8, activation: 1, gradient: 32 });
  });

  test('is undone by formatBits', () => {
    const bits = (lowest: number) => fc.oneof(fc.integer({ min: lowest, max: 8 }), fc.constant(32));
    fc.assert(
      fc.property(bits(1), bits(1), bits(2), (weight, activation, gradient) => {
        expect(parseBits(formatBits({ weight, activation, gradient }))).toEqual({ weight, activation, gradient });
      }),
    );
  });

  test.each(['', '1-2', '1-2-4-8', '1,2,4', 'a-b-c', '1-2-', '-1-2-4', '1-2-4 ', '1.5-2-4'])("refuses '%s'", (text) => {
    expect(() => parseBits(text)).toThrow(UsageError);
    expect(() => parseBits(text)).toThrow(`bits must be written W-A-G, like 1-2-4 (32 = float), not '${text}'`);
  });

  test.each([
    ['0-2-4', 'weight bits must be 1 to 8, or 32 for float, not 0'],
    ['9-2-4', 'weight bits must be 1 to 8, or 32 for float, not 9'],
    ['1-16-4', 'activation bits must be 1 to 8, or 32 for float, not 16'],
    // One bit has no level near zero.
    ['1-2-1', 'gradient bits must be 2 to 8, or 32 for float, not 1'],
    ['1-2-33', 'gradient bits must be 2 to 8, or 32 for float, not 33'],
  ])('says which of %s is wrong', (text, message) => {
    expect(() => parseBits(text)).toThrow(UsageError);
    expect(() => parseBits(text)).toThrow(`${message} (in '${text}')`);
  });
});
