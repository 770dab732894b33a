/**
 * Tensors: an element type, a static shape, and for quantized tensors an encoding.
 *
 * A quantized tensor stores integer levels q in 0 .. max, one byte each, and never turns into floats early. Its encoding
 * says which integer an element means, and the integer times a scale is the real number:
 *
 *     levels     integer = q - zeroPoint       activations, image bytes
 *     bipolar    integer = 2 q - max           weights and gradients: -max, -max + 2, .., max (max = 1: -1 and +1)
 *     integer    integer = q                   deployed networks: i16 weights, i32 accumulators and residual streams
 *     real       = integer * step [* scale]    step is known when the graph is built; scale is a tensor where it is not
 *
 * bipolar has no zero for odd `max`, so padding (integer 0, real 0) cannot be written as a level; kernels handle it.
 */
import { SubbitError } from '../util/errors.js';

export type DType = 'f32' | 'u8' | 'i16' | 'i32';

export type Shape = readonly number[];

export interface Encoding {
  readonly kind: 'levels' | 'bipolar' | 'integer';
  /** The largest level, 1 .. 255 (2^bits - 1). Of `integer`: a bound of the absolute value, below 2^31 (i16: 2^15). */
  readonly max: number;
  /** Real units per integer. */
  readonly step: number;
  /** `levels` only: the level that means zero, one for all channels or one per channel of the last axis (at most 4). @default [0] */
  readonly zeroPoints?: readonly number[];
  /** Along which axis the tensor's dynamic scale varies. @default one scale for the whole tensor */
  readonly scaleAxis?: 'first' | 'last';
}

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Present on quantized tensors: u8 (levels, bipolar), i16 and i32 (integer). */
  readonly encoding?: Encoding;
}

export type TypedArray = Float32Array | Uint8Array | Int16Array | Int32Array;

const arrayConstructors = { f32: Float32Array, u8: Uint8Array, i16: Int16Array, i32: Int32Array } as const;

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function bytesOf(type: TensorType): number {
  return sizeOf(type.shape) * arrayConstructors[type.dtype].BYTES_PER_ELEMENT;
}

/** A typed array over existing memory, or over new zeroed memory. */
export function arrayOf(type: TensorType, buffer?: ArrayBufferLike, byteOffset = 0): TypedArray {
  const length = sizeOf(type.shape);
  return buffer === undefined
    ? new arrayConstructors[type.dtype](length)
    : new arrayConstructors[type.dtype](buffer as ArrayBuffer, byteOffset, length);
}

export function real(shape: Shape): TensorType {
  return { dtype: 'f32', shape };
}

export function quantized(shape: Shape, encoding: Encoding): TensorType {
  if (!(Number.isInteger(encoding.max) && encoding.max >= 1 && encoding.max <= 255)) {
    throw new SubbitError(`an encoding's largest level must be an integer in 1..255, not ${encoding.max}`);
  }
  return { dtype: 'u8', shape, encoding };
}

/** A tensor of integers as they are; `max` bounds their absolute value. Throws when the type cannot hold them. */
export function integer(shape: Shape, max: number, options: { dtype?: 'i16' | 'i32'; step?: number } = {}): TensorType {
  const { dtype = 'i32', step = 1 } = options;
  const limit = dtype === 'i16' ? 2 ** 15 : 2 ** 31;
  if (!(max >= 0 && max < limit)) throw new SubbitError(`integers up to ${max} do not fit ${dtype}`);
  return { dtype, shape, encoding: { kind: 'integer', max, step } };
}

/** The largest absolute value of a quantized tensor's integers. */
export function largestInteger({ kind, max, zeroPoints = [0] }: Encoding): number {
  return kind === 'levels' ? Math.max(...zeroPoints.map((point) => Math.max(point, max - point))) : max;
}

/** The largest level of `bits` bits: 2^bits - 1. */
export function maxLevel(bits: number): number {
  return 2 ** bits - 1;
}

/** "u8[128, 32, 32, 16]" */
export function describe(type: TensorType): string {
  return `${type.dtype}[${type.shape.join(', ')}]`;
}

/**
 * How a kernel reads an operand: real elements as they are, or integers `multiplier * q - offset[c]`. `offset` has four
 * entries: channel c of a tensor with at most four channels takes offset[c]; all are equal otherwise.
 */
export interface Operand {
  readonly isReal: boolean;
  readonly multiplier: number;
  readonly offset: readonly [number, number, number, number];
}

const realOperand: Operand = { isReal: true, multiplier: 1, offset: [0, 0, 0, 0] };

export function operandOf(type: TensorType): Operand {
  const encoding = type.encoding;
  if (encoding === undefined) return realOperand;
  if (encoding.kind === 'bipolar') {
    const max = encoding.max;
    return { isReal: false, multiplier: 2, offset: [max, max, max, max] };
  }
  if (encoding.kind === 'integer') return { isReal: false, multiplier: 1, offset: [0, 0, 0, 0] };
  const points = encoding.zeroPoints ?? [0];
  const at = (c: number): number => points[points.length === 1 ? 0 : c] ?? 0;
  return { isReal: false, multiplier: 1, offset: [at(0), at(1), at(2), at(3)] };
}

/** The integer (or real) element that a stored element means; `channel` is the index along the last axis. */
export function decode(operand: Operand, stored: number, channel: number): number {
  return operand.isReal ? stored : operand.multiplier * stored - operand.offset[(channel < 4 ? channel : 0) as 0]!;
}

/** Real units per integer that are known when the graph is built; 1 for real tensors. */
export function stepOf(type: TensorType): number {
  return type.encoding?.step ?? 1;
}
