/**
 * Event files of TensorBoard, written. A file is a sequence of TFRecords, the first of which says "brain.Event:2":
 *
 *     u64 length | u32 masked crc32c of the length | bytes | u32 masked crc32c of the bytes          (little endian)
 *     masked(crc) = rotate right by 15, plus 0xa282ead8
 *
 * The bytes are the protocol buffer Event of tensorflow/core/util/event.proto. Of it and of Summary (framework/summary.proto) these fields:
 *
 *     Event           1 wall_time double, 2 step int64, 3 file_version string, 5 summary, 7 session_log
 *     SessionLog      1 status (START = 1): events of this step and later, from a run that was cut off, no longer count
 *     Summary         1 value, repeated
 *     Value           1 tag string, 2 simple_value float, 5 histo
 *     HistogramProto  1 min, 2 max, 3 num, 4 sum, 5 sum_squares: double; 6 bucket_limit, 7 bucket: packed double
 */
import { crc32c } from '../util/crc32.js';

export interface TensorboardHistogram {
  readonly min: number;
  readonly max: number;
  readonly count: number;
  readonly sum: number;
  readonly sumOfSquares: number;
  /** Upper ends of the buckets, and how many values are in each. */
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

export type TensorboardValue =
  | { readonly tag: string; readonly scalar: number }
  | { readonly tag: string; readonly histogram: TensorboardHistogram };

/** What a file begins with. `seconds` since 1970, here and below. */
export function encodeFileVersion(seconds: number): Uint8Array {
  return record([...doubleField(1, seconds), ...bytesField(3, text('brain.Event:2'))]);
}

/** The begin of a session whose first event has `step`. */
export function encodeSessionStart(seconds: number, step: number): Uint8Array {
  return record([...doubleField(1, seconds), ...intField(2, step), ...bytesField(7, intField(1, 1))]);
}

export function encodeEvent(seconds: number, step: number, values: readonly TensorboardValue[]): Uint8Array {
  const summary = values.flatMap((value) => bytesField(1, encodeValue(value)));
  return record([...doubleField(1, seconds), ...intField(2, step), ...bytesField(5, summary)]);
}

type Bytes = readonly number[];

function encodeValue(value: TensorboardValue): Bytes {
  const tag = bytesField(1, text(value.tag));
  if ('scalar' in value) return [...tag, ...key(2, 5), ...new Uint8Array(Float32Array.of(value.scalar).buffer)];
  const { min, max, count, sum, sumOfSquares, limits, counts } = value.histogram;
  const numbers = [min, max, count, sum, sumOfSquares].flatMap((each, i) => doubleField(i + 1, each));
  const packed = [limits, counts].flatMap((list, i) => bytesField(6 + i, list.flatMap(double)));
  return [...tag, ...bytesField(5, [...numbers, ...packed])];
}

/** Wire types: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes. */
function key(field: number, wireType: number): Bytes {
  return varint((field << 3) | wireType);
}

function intField(field: number, value: number): Bytes {
  return [...key(field, 0), ...varint(value)];
}

function doubleField(field: number, value: number): Bytes {
  return [...key(field, 1), ...double(value)];
}

function bytesField(field: number, bytes: Bytes): Bytes {
  return [...key(field, 2), ...varint(bytes.length), ...bytes];
}

/** Of an integer in 0 .. 2^53. */
function varint(value: number): Bytes {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  return [...bytes, left];
}

function double(value: number): number[] {
  return [...new Uint8Array(Float64Array.of(value).buffer)];
}

function text(value: string): Bytes {
  return [...new TextEncoder().encode(value)];
}

function record(bytes: Bytes): Uint8Array {
  const framed = new Uint8Array(16 + bytes.length);
  const view = new DataView(framed.buffer);
  view.setBigUint64(0, BigInt(bytes.length), true);
  view.setUint32(8, masked(crc32c(framed.subarray(0, 8))), true);
  framed.set(bytes, 12);
  view.setUint32(12 + bytes.length, masked(crc32c(framed.subarray(12, 12 + bytes.length))), true);
  return framed;
}

function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
