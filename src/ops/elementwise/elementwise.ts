/**
 * The small operations between the layers: add, bias, reshape, fill.
 *
 * Float arithmetic here is rounded to float32 after every operation, in the order written, on every backend: results are
 * bit-identical everywhere.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { bytesOf, describe, real, type Shape, sizeOf, type TensorType } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';

/** Throws unless every given type is real and of one shape. */
export function requireSameShape(types: InputTypes): void {
  const [first] = types;
  for (const type of types) {
    if (type!.dtype !== 'f32' || type!.shape.join() !== first!.shape.join()) {
      throw new SubbitError(
        `needs real tensors of one shape, not ${types.map((each) => describe(each!)).join(' and ')}`,
      );
    }
  }
}

export function requireReal(type: TensorType): void {
  if (type.dtype !== 'f32') throw new SubbitError(`needs a real tensor, not ${describe(type)}`);
}

/** The extent of the last axis: NHWC's channels. */
export function channelsOf(shape: Shape): number {
  return shape[shape.length - 1]!;
}

export const add = defineOp({
  name: 'add',
  inputs: ['a', 'b'],
  outputs: ['y'],
  infer(types: InputTypes, _: Record<string, never>) {
    requireSameShape(types);
    return [types[0]!];
  },
  params: { count: 'i32' },
  pack: ([a]) => ({ count: sizeOf(a!.shape) }),
  reference({ a, b, y }, p) {
    for (let i = 0; i < p.count; i++) y![i] = a![i]! + b![i]!;
  },
});

/** y[.., c] = x[.., c] + bias[c] */
export const addBias = defineOp({
  name: 'add-bias',
  inputs: ['x', 'bias'],
  outputs: ['y'],
  infer([x, bias]: InputTypes, _: Record<string, never>) {
    requireReal(x!);
    if (bias!.shape.join() !== String(channelsOf(x!.shape))) {
      throw new SubbitError(`the bias ${describe(bias!)} does not fit ${describe(x!)}`);
    }
    return [x!];
  },
  params: { rows: 'i32', channels: 'i32' },
  pack: ([x]) => ({ rows: sizeOf(x!.shape) / channelsOf(x!.shape), channels: channelsOf(x!.shape) }),
  reference({ x, bias, y }, p) {
    for (let i = 0; i < p.rows * p.channels; i++) y![i] = x![i]! + bias![i % p.channels]!;
  },
});

/** Sums over all axes but the last: the gradient of a bias. */
export const sumRows = defineOp({
  name: 'sum-rows',
  inputs: ['x'],
  outputs: ['sum'],
  infer([x]: InputTypes, _: Record<string, never>) {
    requireReal(x!);
    return [real([channelsOf(x!.shape)])];
  },
  params: { rows: 'i32', channels: 'i32' },
  pack: ([x]) => ({ rows: sizeOf(x!.shape) / channelsOf(x!.shape), channels: channelsOf(x!.shape) }),
  /** One partial sum per chunk of rows. */
  scratchBytes: (p) => Math.ceil(p.rows / rowsPerChunk) * p.channels * Float64Array.BYTES_PER_ELEMENT,
  reference({ x, sum }, p) {
    for (let c = 0; c < p.channels; c++) {
      let total = 0;
      for (let row = 0; row < p.rows; row++) total += x![row * p.channels + c]!;
      sum![c] = total;
    }
  },
});

/** Reductions over rows go in chunks of this many, whatever the number of threads, so that their order is fixed. */
export const rowsPerChunk = 1024;

/** The same memory under another shape. */
export const reshape = defineOp({
  name: 'reshape',
  inputs: ['x'],
  outputs: ['y'],
  isAlias: true,
  infer([x]: InputTypes, { shape }: { readonly shape: Shape }) {
    if (sizeOf(shape) !== sizeOf(x!.shape))
      throw new SubbitError(`cannot reshape ${describe(x!)} to [${shape.join(', ')}]`);
    return [{ ...x!, shape }];
  },
  params: { bytes: 'i32' },
  pack: ([x]) => ({ bytes: bytesOf(x!) }),
  reference({ x, y }) {
    y!.set(x!);
  },
});

/** A tensor of one value. */
export const fill = defineOp({
  name: 'fill',
  inputs: [],
  outputs: ['y'],
  infer: (_: InputTypes, { shape }: { readonly shape: Shape; readonly value: number }) => [real(shape)],
  params: { count: 'i32', value: 'f32' },
  pack: (_, { shape, value }) => ({ count: sizeOf(shape), value }),
  reference({ y }, p) {
    y!.fill(p.value);
  },
});
