/** Tensors of an ONNX model that do not depend on its input, in the model's own axes, and the operators that are computed on them. */
import { sizeOf } from '../../core/tensor.js';
import { elementTypes, type OnnxElementType, type OnnxTensor } from '../../formats/onnx-model.js';
import { maxRank } from '../../formats/onnx-reader.js';

/** What the numbers of a quantized constant are: integer * scale, one scale or one along `axis`. */
export interface ConstantLevels {
  readonly integers: Int32Array;
  readonly scale: Float32Array;
  /** @default 0 */
  readonly axis: number;
}

export interface Constant {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  readonly levels?: ConstantLevels;
  /** Of its elements in the model; a zero point's says which integers there are. @default not known, as of what is dequantized here */
  readonly type?: OnnxElementType;
}

const allTypes = Object.keys(elementTypes) as OnnxElementType[];

/** Undefined for a number of ONNX's that subbit does not know. */
export const elementTypeOf = (code: number | undefined): OnnxElementType | undefined =>
  allTypes.find((type) => elementTypes[type].code === code);

export function constantOf({ shape, data, type }: OnnxTensor): Constant {
  const typeOfArray = allTypes.find((each) => data instanceof elementTypes[each].array);
  return { shape, data: Float64Array.from(data as ArrayLike<number | bigint>, Number), type: type ?? typeOfArray };
}

export const scalar = (value: number): Constant => ({ shape: [], data: Float64Array.of(value) });

/** axes[i] is the axis that becomes axis i. */
export function permuted({ shape, data, levels, type }: Constant, axes: readonly number[]): Constant {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  const newShape = axes.map((axis) => shape[axis]!);
  const from = Int32Array.from({ length: data.length }, (_, i) => {
    let rest = i;
    let at = 0;
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      at += (rest % newShape[axis]!) * strides[axes[axis]!]!;
      rest = Math.floor(rest / newShape[axis]!);
    }
    return at;
  });
  const moved: Constant = { shape: newShape, data: Float64Array.from(from, (i) => data[i]!), type };
  if (levels === undefined) return moved;
  const integers = Int32Array.from(from, (i) => levels.integers[i]!);
  return { ...moved, levels: { ...levels, integers, axis: axes.indexOf(levels.axis) } };
}

/**
 * The same elements in another shape; undefined when their number differs, or for too many axes. Scales along an axis are lost with it, and
 * levels with them.
 */
export function reshaped(
  { data, levels, shape: before, type }: Constant,
  wanted: readonly number[],
): Constant | undefined {
  if (wanted.length > maxRank) return undefined;
  const given = wanted.map((extent, axis) => (extent === 0 ? (before[axis] ?? 0) : extent));
  const known = sizeOf(given.filter((extent) => extent >= 0));
  const shape = given.map((extent) => (extent < 0 ? data.length / known : extent));
  if (sizeOf(shape) !== data.length || shape.some((extent) => !Number.isInteger(extent))) return undefined;
  const keepsLevels = levels !== undefined && levels.scale.length === 1;
  return { shape, data, type, ...(keepsLevels ? { levels } : {}) };
}

export function scaled({ shape, data, levels }: Constant, factor: number): Constant {
  if (factor === 1) return { shape, data, ...(levels && { levels }) };
  const times = (each: number): number => Math.fround(each * factor);
  return { shape, data: data.map(times), ...(levels && { levels: { ...levels, scale: levels.scale.map(times) } }) };
}

const elementwise: Readonly<Record<string, (a: number, b: number) => number>> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
};

/** A column and a row of a small file are a table that no memory holds; the filters of the largest classifiers are 2^27. */
const maxElements = 2 ** 28;

/** Integers' quotients are rounded towards 0. */
const isWhole = ({ type = 'float32' }: Constant): boolean => !type.startsWith('float');

/**
 * Of two constants that can be broadcast to each other; undefined when they cannot, when these are too many elements, or the operator is none
 * of these.
 */
export function combined(op: string, a: Constant, b: Constant): Constant | undefined {
  const compute = elementwise[op];
  const rank = Math.max(a.shape.length, b.shape.length);
  const [left, right] = [a, b].map(({ shape }) => [...new Array<number>(rank - shape.length).fill(1), ...shape]);
  const shape = left!.map((extent, axis) => Math.max(extent, right![axis]!));
  const fits = shape.every((extent, axis) => [left, right].every((own) => own![axis] === extent || own![axis] === 1));
  if (compute === undefined || !fits || sizeOf(shape) > maxElements) return undefined;
  const placeIn = (own: readonly number[], i: number): number => {
    let [rest, at, stride] = [i, 0, 1];
    for (let axis = rank - 1; axis >= 0; axis--) {
      if (own[axis] !== 1) at += (rest % shape[axis]!) * stride;
      stride *= own[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return at;
  };
  const round = isWhole(a) && isWhole(b) ? Math.trunc : Math.fround;
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) =>
    round(compute(a.data[placeIn(left!, i)]!, b.data[placeIn(right!, i)]!)),
  );
  return { shape, data, type: a.type === b.type ? a.type : undefined };
}

/**
 * The axis along which a constant that is broadcast to a tensor of this rank varies: undefined for one number, "several" for more than one axis,
 * negative for one in front of the tensor's.
 */
export function axisOf({ shape }: Constant, rank: number): number | undefined | 'several' {
  const varying = shape.flatMap((extent, axis) => (extent === 1 ? [] : [axis + rank - shape.length]));
  return varying.length > 1 ? 'several' : varying[0];
}

/** Which of `count` numbers along an axis, one for each of its places, belongs to element i; one number belongs to all. */
export function placeAlong(shape: readonly number[], axis: number, count: number): (i: number) => number {
  const inner = sizeOf(shape.slice(axis + 1));
  return count === 1 ? () => 0 : (i) => Math.floor(i / inner) % count;
}
