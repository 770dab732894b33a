/**
 * One case on one backend, held to the reference: the results within the case's bounds (a GPU's are wider: device-parity.ts), and no byte
 * written beside the buffers. Tests use it in Node (parity.test.ts) and in browsers (scripts/test-browser.mjs).
 */
import type { Backend, Memory, TensorPlace } from '../core/backend.js';
import { slotName } from '../core/op.js';
import { type OpCase, resultSlots, runReference } from '../core/op-case.js';
import { arrayOf, bytesOf, type TensorType, type TypedArray } from '../core/tensor.js';
import { memoized } from '../util/memoized.js';
import { deviceRangesOf } from './device-parity.js';

/** Of the bytes around every buffer, and of outputs and scratch before a run: as floats they are NaN, so reading them shows. */
const guard = 0xff;
/** More than two of the widest vectors, on both sides. */
const guardBytes = 192;

// Once for all backends.
const expectedOf = memoized(runReference);
/** By slot; exact results have none. */
const boundsOf = memoized((testCase: OpCase): Record<string, ArrayLike<number>> => {
  const bounds = testCase.parity === 'exact' ? {} : testCase.parity;
  return Object.fromEntries(Object.entries(bounds).map(([slot, bound]) => [slot, bound(expectedOf(testCase))]));
});

/** A buffer with guards on both sides. */
class GuardedBuffer {
  readonly place: TensorPlace;

  constructor(backend: Backend, type: TensorType, contents: TypedArray | undefined) {
    const memory: Memory = backend.allocate(2 * guardBytes + bytesOf(type));
    this.place = { memory, byteOffset: guardBytes, type };
    this.#bytes.fill(guard);
    if (contents) this.view.set(contents);
    backend.write?.([this.whole]);
  }

  /** Found anew each time: memory that has grown has another buffer. */
  get #bytes(): Uint8Array {
    const { memory } = this.place;
    return new Uint8Array(memory.buffer, memory.byteOffset, memory.bytes);
  }

  /** With its guards. */
  get whole(): TensorPlace {
    const { memory } = this.place;
    return { memory, byteOffset: 0, type: { dtype: 'u8', shape: [memory.bytes] } };
  }

  get view(): TypedArray {
    const { memory, byteOffset, type } = this.place;
    return arrayOf(type, memory.buffer, memory.byteOffset + byteOffset);
  }

  /** Where a byte beside the buffer was written, counted from the buffer's start. A GPU writes whole words. */
  strayWrite(wordBytes: number): number | undefined {
    const end = guardBytes + Math.ceil(bytesOf(this.place.type) / wordBytes) * wordBytes;
    const isStray = (byte: number, i: number): boolean => (i < guardBytes || i >= end) && byte !== guard;
    const at = this.#bytes.findIndex(isStray);
    return at < 0 ? undefined : at - guardBytes;
  }
}

/** Runs a case on a backend and returns the results by slot. Throws when anything but results was written. */
async function runOn(backend: Backend, testCase: OpCase): Promise<Record<string, TypedArray>> {
  const { op, attributes } = testCase;
  const { types, inputs } = expectedOf(testCase);
  const params = op.pack(types, attributes);
  const inputBuffers = types.map((type, slot) => type && new GuardedBuffer(backend, type, inputs[slot]));
  const outputTypes = op.infer(types, attributes);
  const outputBuffers = outputTypes.map((type) => new GuardedBuffer(backend, type, undefined));
  const scratchBytes = backend.scratchBytes({ op, params, types: [...types, ...outputTypes] });
  const scratch =
    scratchBytes > 0 ? [new GuardedBuffer(backend, { dtype: 'u8', shape: [scratchBytes] }, undefined)] : [];
  const buffers = [...inputBuffers, ...outputBuffers, ...scratch];

  const program = backend.prepare([{ op, params, buffers: buffers.map((buffer) => buffer?.place) }]);
  program.run();
  await backend.read?.(buffers.flatMap((buffer) => buffer?.whole ?? []));
  program.dispose();

  const slots = [...op.inputs.map(slotName), ...op.outputs, 'scratch'];
  const contents = Object.fromEntries(buffers.map((buffer, i) => [slots[i]!, buffer?.view.slice()]));
  for (const [i, buffer] of buffers.entries()) {
    const stray = buffer?.strayWrite(backend.read ? 4 : 1);
    if (buffer) backend.free(buffer.place.memory);
    if (stray !== undefined) throw new Error(`byte ${stray} was written outside of ${slots[i]}`);
  }
  const results = resultSlots(op);
  for (const [slot, type] of types.entries()) {
    const name = slots[slot]!;
    if (type && !results.includes(name)) expectSameBits(contents[name]!, inputs[slot]!, `the input ${name}`);
  }
  return Object.fromEntries(results.map((slot) => [slot, contents[slot]!]));
}

/** Integers as they are, floats as their bits. */
function bitsOf(data: TypedArray): ArrayLike<number> {
  return data instanceof Float32Array ? new Uint32Array(data.buffer, data.byteOffset, data.length) : data;
}

/** All NaNs count as one. */
function expectSameBits(actual: TypedArray, expected: TypedArray, what: string): void {
  const [actualBits, expectedBits] = [bitsOf(actual), bitsOf(expected)];
  let at = -1;
  let differing = 0;
  for (let i = 0; i < expected.length; i++) {
    if (actualBits[i] === expectedBits[i] || (Number.isNaN(actual[i]) && Number.isNaN(expected[i]))) continue;
    if (differing++ === 0) at = i;
  }
  if (differing === 0) return;
  const shown = (value: number | undefined): string => (Object.is(value, -0) ? '-0' : String(value));
  throw new Error(
    `${what}[${at}] is ${shown(actual[at])}, expected ${shown(expected[at])} (${differing} of ${expected.length} differ)`,
  );
}

function expectWithin(actual: TypedArray, expected: TypedArray, bounds: ArrayLike<number>, what: string): void {
  let worst = -1;
  let worstExcess = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    // NaN and infinities have no difference.
    if (difference <= bounds[i]! || Object.is(actual[i], expected[i])) continue;
    const excess = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference / bounds[i]!;
    if (worst < 0 || excess > worstExcess) [worst, worstExcess] = [i, excess];
  }
  if (worst < 0) return;
  throw new Error(`${what}[${worst}] is ${actual[worst]}, expected ${expected[worst]} within ${bounds[worst]}`);
}

/** Compares a GPU's results with the ranges that they may be in. */
function expectDeviceParity(testCase: OpCase, results: Record<string, TypedArray>): void {
  const ranges = deviceRangesOf(expectedOf(testCase), boundsOf(testCase));
  for (const [slot, { low, high }] of Object.entries(ranges)) {
    const actual = results[slot]!;
    // What is not a number has no range.
    const at = actual.findIndex(
      (value, i) => !(value >= low[i]! && value <= high[i]!) && !Number.isNaN(low[i]! + high[i]!),
    );
    if (at < 0) continue;
    const expected = expectedOf(testCase).results[slot]![at];
    throw new Error(`${slot}[${at}] is ${actual[at]}, expected ${expected} within ${low[at]} .. ${high[at]}`);
  }
}

/** Compares with the reference by the case's rule. */
function expectHostParity(testCase: OpCase, results: Record<string, TypedArray>): void {
  for (const [slot, expected] of Object.entries(expectedOf(testCase).results)) {
    const bounds = boundsOf(testCase)[slot];
    if (bounds === undefined) expectSameBits(results[slot]!, expected, slot);
    else expectWithin(results[slot]!, expected, bounds, slot);
  }
}

/** Runs a case and throws an Error that names the first result which is not as it must be; returns the results. */
export async function checkCase(backend: Backend, testCase: OpCase): Promise<Record<string, TypedArray>> {
  const results = await runOn(backend, testCase);
  if (backend.read) expectDeviceParity(testCase, results);
  else expectHostParity(testCase, results);
  return results;
}

/** Throws an Error when the case gives other bits on this backend (the same with more threads) than `results`. */
export async function checkSame(
  backend: Backend,
  testCase: OpCase,
  results: Record<string, TypedArray>,
): Promise<void> {
  const again = await runOn(backend, testCase);
  for (const slot of resultSlots(testCase.op))
    expectSameBits(again[slot]!, results[slot]!, `with ${backend.threads} threads ${slot}`);
}
