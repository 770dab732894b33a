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
import { PbfWriter } from 'pbf';
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
  const event = newEvent(seconds);
  event.writeStringField(3, 'brain.Event:2');
  return record(event);
}

/** The begin of a session whose first event has `step`. */
export function encodeSessionStart(seconds: number, step: number): Uint8Array {
  const event = newEvent(seconds, step);
  event.writeMessage(7, (start: number, log: PbfWriter) => log.writeVarintField(1, start), sessionStart);
  return record(event);
}

export function encodeEvent(seconds: number, step: number, values: readonly TensorboardValue[]): Uint8Array {
  const event = newEvent(seconds, step);
  event.writeMessage(5, writeSummary, values);
  return record(event);
}

const sessionStart = 1;

function newEvent(seconds: number, step?: number): PbfWriter {
  const event = new PbfWriter();
  event.writeDoubleField(1, seconds);
  if (step !== undefined) event.writeVarintField(2, step);
  return event;
}

function writeSummary(values: readonly TensorboardValue[], to: PbfWriter): void {
  for (const value of values) to.writeMessage(1, writeValue, value);
}

function writeValue(value: TensorboardValue, to: PbfWriter): void {
  to.writeStringField(1, value.tag);
  if ('scalar' in value) to.writeFloatField(2, value.scalar);
  else to.writeMessage(5, writeHistogram, value.histogram);
}

function writeHistogram(histogram: TensorboardHistogram, to: PbfWriter): void {
  const { min, max, count, sum, sumOfSquares, limits, counts } = histogram;
  for (const [i, number] of [min, max, count, sum, sumOfSquares].entries()) to.writeDoubleField(i + 1, number);
  to.writePackedDouble(6, [...limits]);
  to.writePackedDouble(7, [...counts]);
}

function record(event: PbfWriter): Uint8Array {
  const bytes = event.finish();
  const framed = new Uint8Array(16 + bytes.length);
  const view = new DataView(framed.buffer);
  view.setBigUint64(0, BigInt(bytes.length), true);
  view.setUint32(8, masked(crc32c(framed.subarray(0, 8))), true);
  framed.set(bytes, 12);
  view.setUint32(12 + bytes.length, masked(crc32c(bytes)), true);
  return framed;
}

function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
