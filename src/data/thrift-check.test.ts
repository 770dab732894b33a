import fc from 'fast-check';
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js';
import { expect, test } from 'vitest';
import { checkThrift } from './thrift-check.js';

/** A byte, two booleans, an i64, a double, 2 bytes, a list of 2 booleans, a struct, and field 40 by its number. */
const everything = [
  ...[0x13, 7, 0x11, 0x12, 0x16, 0x80, 0x01, 0x17, 1, 2, 3, 4, 5, 6, 7, 8, 0x18, 2, 65, 66],
  ...[0x19, 0x21, 1, 2, 0x1c, 0x15, 4, 0, 0x05, 80, 9, 0],
];

test('walks what hyparquet decodes, from any byte on', () => {
  for (const start of [0, 5]) {
    const bytes = Uint8Array.from([...new Array<number>(start).fill(0xff), ...everything, 0xff]);
    const reader = { view: new DataView(bytes.buffer), offset: start };
    expect(Object.keys(deserializeTCompactProtocol(reader))).toHaveLength(9);
    expect(checkThrift(bytes, start)).toBe(reader.offset);
    expect(reader.offset).toBe(start + everything.length);
  }
});

test('refuses what is cut anywhere', () => {
  for (let length = 0; length < everything.length; length++)
    expect(() => checkThrift(Uint8Array.from(everything.slice(0, length)), 0), String(length)).toThrow(/its thrift/);
});

const structs = (depth: number): number[] => [
  ...new Array<number>(depth - 1).fill(0x1c),
  ...new Array<number>(depth).fill(0),
];
/** Lists of one list each, the last one empty, in a struct. */
const lists = (depth: number): number[] => [0x19, ...new Array<number>(depth - 2).fill(0x19), 0x09, 0];
const integer = (length: number): number[] => [0x16, ...new Array<number>(length - 1).fill(0xff), 1, 0];

test.each([
  ['a long integer', integer(11), /an integer of more than 10 bytes at 11/],
  ['a larger list than there are bytes', [0x19, 0xf8, 4, 0, 0, 0], /a list of 4 elements at 3 of 6 bytes/],
  ['a list of 2^64 elements', [0x19, 0xf9, ...integer(10).slice(1)], /a list of \d+ elements at 12 of 13/],
  ['a longer text than there are bytes', [0x18, 3, 65, 0], /it needs 3 more at 2 of 4 bytes/],
  ['structs in structs', structs(17), /nested more than 16 deep/],
  ['lists in lists', lists(17), /nested more than 16 deep/],
  ['a set', [0x1a, 0x15, 2, 0], /has the type 10 at 1/],
  ['a map', [0x1b, 0, 0], /has the type 11 at 1/],
  ['a list of nothing', [0x19, 0x10, 0], /has the type 0 at 2/],
])('refuses %s', (_, bytes, message) => {
  expect(() => checkThrift(Uint8Array.from(bytes), 0)).toThrow(message);
});

test('takes what is at the limit', () => {
  for (const bytes of [structs(16), lists(16), integer(10), [0x19, 0xf3, 3, 0, 0, 0, 0]])
    expect(checkThrift(Uint8Array.from(bytes), 0)).toBe(bytes.length);
});

test('what it takes, hyparquet decodes to the same byte', () => {
  let taken = 0;
  const byte = fc.oneof(fc.constantFrom(0, 0, 0, 1, 2, 0x11, 0x13, 0x15, 0x16, 0x18, 0x19, 0x1c, 0x25), fc.nat(255));
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 30 }), (list) => {
      const bytes = Uint8Array.from(list);
      let end: number;
      try {
        end = checkThrift(bytes, 0);
      } catch {
        return;
      }
      if (end > 3) taken++;
      const reader = { view: new DataView(bytes.buffer), offset: 0 };
      deserializeTCompactProtocol(reader);
      expect(reader.offset).toBe(end);
    }),
    { numRuns: 10_000 },
  );
  expect(taken).toBeGreaterThan(300);
});
