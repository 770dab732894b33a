/** Event files, read back by a reader of its own: frames bit by bit, protocol buffers by field numbers. */
import { expect, test } from 'vitest';
import { encodeEvent, encodeFileVersion, encodeSessionStart } from './tensorboard.js';

/** CRC-32C by its definition: long division, a bit at a time. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes)
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 * ((crc ^ (byte >>> bit)) & 1));
  return ~crc >>> 0;
}

function masked(bytes: Uint8Array): number {
  const crc = BigInt(crc32c(bytes));
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** The contents of the records; checks lengths and checksums. */
function readRecords(bytes: Uint8Array): Uint8Array[] {
  const records: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const length = Number(view.getBigUint64(0, true));
    expect(view.getUint32(8, true)).toBe(masked(bytes.subarray(at, at + 8)));
    const contents = bytes.subarray(at + 12, at + 12 + length);
    expect(view.getUint32(12 + length, true)).toBe(masked(contents));
    records.push(contents);
    at += 16 + length;
  }
  return records;
}

type Fields = Map<number, (number | Uint8Array)[]>;

/** The fields of a message: numbers, or bytes where the wire type is 2. */
function fieldsOf(bytes: Uint8Array): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields: Fields = new Map();
  let at = 0;
  const varint = (): number => {
    let [value, factor, byte] = [0, 1, 128];
    for (; byte >= 128; factor *= 128) {
      byte = bytes[at++]!;
      value += (byte % 128) * factor;
    }
    return value;
  };
  while (at < bytes.length) {
    const key = varint();
    const type = key & 7;
    let value: number | Uint8Array;
    if (type === 0) value = varint();
    else if (type === 1) {
      value = view.getFloat64(at, true);
      at += 8;
    } else if (type === 5) {
      value = view.getFloat32(at, true);
      at += 4;
    } else {
      const length = varint();
      value = bytes.subarray(at, at + length);
      at += length;
    }
    fields.set(key >>> 3, [...(fields.get(key >>> 3) ?? []), value]);
  }
  expect(at).toBe(bytes.length);
  return fields;
}

const message = (fields: Fields, field: number): Fields => fieldsOf(fields.get(field)![0] as Uint8Array);
const text = (fields: Fields, field: number): string => new TextDecoder().decode(fields.get(field)![0] as Uint8Array);
const doubles = (bytes: Uint8Array): number[] => [...new Float64Array(bytes.slice().buffer)];
const only = (bytes: Uint8Array): Fields => {
  const [record, ...more] = readRecords(bytes);
  expect(more).toEqual([]);
  return fieldsOf(record!);
};

test('a file begins with its version', () => {
  const event = only(encodeFileVersion(1700000000.5));
  expect(event.get(1)).toEqual([1700000000.5]);
  expect(text(event, 3)).toBe('brain.Event:2');
});

test('a session that goes on says from which step', () => {
  const event = only(encodeSessionStart(1, 300));
  expect(event.get(2)).toEqual([300]);
  expect(message(event, 7).get(1)).toEqual([1]);
});

test('scalars and histograms', () => {
  const histogram = { min: -1, max: 2, count: 5, sum: 3, sumOfSquares: 4.5, limits: [0.5, 2], counts: [3, 2] };
  const step = 2 ** 40 + 5;
  const event = only(
    encodeEvent(2, step, [
      { tag: 'train/loss', scalar: 0.75 },
      { tag: 'conv1/weights', histogram },
    ]),
  );
  expect(event.get(2)).toEqual([step]);
  const [scalar, other] = message(event, 5)
    .get(1)!
    .map((bytes) => fieldsOf(bytes as Uint8Array));
  expect([text(scalar!, 1), scalar!.get(2)]).toEqual(['train/loss', [0.75]]);
  expect(text(other!, 1)).toBe('conv1/weights');
  const proto = message(other!, 5);
  expect([1, 2, 3, 4, 5].map((field) => proto.get(field)![0])).toEqual([-1, 2, 5, 3, 4.5]);
  expect([6, 7].map((field) => doubles(proto.get(field)![0] as Uint8Array))).toEqual([
    [0.5, 2],
    [3, 2],
  ]);
});
