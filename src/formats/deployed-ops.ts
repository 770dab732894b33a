/**
 * What a `.subbit` file may say of each operation: its inputs, its attributes, and the contents of its constants. The ops' own
 * `infer` checks how shapes and types fit; what stands here is what it takes for granted in a graph that code has built.
 *
 * These are the semantic operations of `runtimeOps`. The fused ones are made from them when a file is loaded.
 */
import { type AnyOp, type InputTypes, isOptional } from '../core/op.js';
import { type DType, operandOf, type Shape, sizeOf, type TensorType, type TypedArray } from '../core/tensor.js';
import { concat } from '../ops/concat/concat.js';
import { reshape } from '../ops/elementwise/elementwise.js';
import { integerAdd } from '../ops/integer/integer-add.js';
import { integerMaxPool, sumPool } from '../ops/integer/integer-pool.js';
import { maxMultiplier, maxShift, rescale } from '../ops/integer/rescale.js';
import { threshold } from '../ops/integer/threshold.js';
import { integerConv2d } from '../ops/integer-conv2d/integer-conv2d.js';
import { strideShortcut } from '../ops/shortcut/shortcut.js';
import { isCount, show } from './safetensors.js';

/** The rule that a value breaks, undefined when it keeps it. */
type Rule = (value: unknown) => string | undefined;

export interface AttributeRule {
  readonly isOptional: boolean;
  readonly broken: Rule;
}

/** 'value': computed, or the images. Otherwise a constant of one of these types. */
export type SlotRule = 'value' | readonly DType[];

export interface DeployedOp {
  readonly op: AnyOp;
  /** By slot, in the op's order; the op says which are optional. */
  readonly slots: readonly SlotRule[];
  readonly attributes: Readonly<Record<string, AttributeRule>>;
  /** The rule that shapes and types break beyond what `infer` checks. */
  brokenByTypes?(inputs: InputTypes): string | undefined;
  /** The rule that the contents of the constants break; contents by slot. */
  brokenByContents?(contents: readonly (TypedArray | undefined)[], inputs: InputTypes): string | undefined;
  /** Multiply-accumulates for the given input and output types. @default none worth counting */
  macs?(inputs: InputTypes, output: TensorType): number;
}

/** With these every position that a kernel computes stays far below 2^31. */
const maxExtent = 32768;
const maxFilterExtent = 255;

function integerIn(low: number, high: number): AttributeRule {
  const broken: Rule = (value) =>
    Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high
      ? undefined
      : `is ${show(value)}, not an integer in ${low}..${high}`;
  return { isOptional: false, broken };
}

const optional = ({ broken }: AttributeRule): AttributeRule => ({ isOptional: true, broken });

const positiveNumber: Rule = (value) =>
  typeof value === 'number' && value > 0 && Number.isFinite(value) ? undefined : `is ${show(value)}, not a number > 0`;

const shapeWithoutBatch: Rule = (value) => {
  const isShape = Array.isArray(value) && value.length <= 7 && value.every((extent) => isCount(extent) && extent >= 1);
  return isShape ? undefined : `is ${show(value)}, not a list of up to 7 integers >= 1`;
};

const positive = integerIn(1, maxExtent);
const padding = integerIn(0, maxExtent);
const i32 = integerIn(-(2 ** 31) + 1, 2 ** 31 - 1);
const window = { padTop: padding, padLeft: padding, outHeight: positive, outWidth: positive, stride: positive };

const list: readonly DeployedOp[] = [
  {
    op: integerConv2d,
    slots: ['value', ['u8', 'i16'], ['u8']],
    attributes: { ...window, dilation: positive, groups: integerIn(1, 2 ** 20) },
    brokenByTypes: ([, filter]) => brokenByFilter(filter!.shape),
    macs: ([, filter], output) => sizeOf(output.shape) * (sizeOf(filter!.shape) / output.shape[3]!),
  },
  {
    op: threshold,
    slots: ['value', ['i32'], ['i32']],
    attributes: { zeroPoint: optional(integerIn(0, 255)), bipolar: optional(integerIn(0, 1)) },
    brokenByContents: ([, up, down], [x]) => (down === undefined ? undefined : brokenByTwoSides(up!, down, x!)),
  },
  {
    op: rescale,
    slots: ['value', ['i32'], ['i32'], ['i32']],
    attributes: { low: i32, high: i32, step: { isOptional: true, broken: positiveNumber } },
    brokenByContents: ([, multiplier, shift]) =>
      brokenByRange('multiplier', multiplier!, -maxMultiplier, maxMultiplier) ??
      brokenByRange('shift', shift!, 0, maxShift),
  },
  { op: integerAdd, slots: ['value', 'value'], attributes: {} },
  { op: integerMaxPool, slots: ['value'], attributes: { ...window, size: integerIn(1, 15) } },
  { op: sumPool, slots: ['value'], attributes: {}, brokenByTypes: ([x]) => brokenBySum(x!) },
  { op: strideShortcut, slots: ['value'], attributes: { stride: positive, channels: integerIn(1, 2 ** 20) } },
  { op: concat, slots: ['value', 'value'], attributes: {} },
  { op: reshape, slots: ['value'], attributes: { shape: { isOptional: false, broken: shapeWithoutBatch } } },
];

export const deployedOps: Readonly<Record<string, DeployedOp>> = Object.fromEntries(
  list.map((each) => [each.op.name, each]),
);

/** Inputs that must be there. */
export function requiredInputs({ op }: DeployedOp): number {
  return op.inputs.filter((slot) => !isOptional(slot)).length;
}

function brokenByFilter([height = 0, width = 0]: Shape): string | undefined {
  if (height <= maxFilterExtent && width <= maxFilterExtent) return undefined;
  return `has a filter of ${height}x${width} taps; ${maxFilterExtent} each way is the most`;
}

/**
 * The sides of two-sided thresholds must not overlap where x can be: the counts of both would add up to more than the largest
 * level.
 */
function brokenByTwoSides(up: TypedArray, down: TypedArray, x: TensorType): string | undefined {
  const channels = x.shape.at(-1)!;
  const bound = x.encoding!.max;
  const lowest = new Float64Array(channels).fill(Number.POSITIVE_INFINITY);
  const highest = new Float64Array(channels).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < up.length; i++) {
    const c = i % channels;
    lowest[c] = Math.min(lowest[c]!, up[i]!);
    highest[c] = Math.max(highest[c]!, down[i]!);
  }
  for (let c = 0; c < channels; c++) {
    if (highest[c]! >= Math.max(lowest[c]!, -bound) && lowest[c]! <= bound)
      return `has the threshold ${highest[c]} down and ${lowest[c]} up in channel ${c}; down must be below up`;
  }
  return undefined;
}

function brokenByRange(slot: string, data: TypedArray, low: number, high: number): string | undefined {
  for (let i = 0; i < data.length; i++) {
    if (data[i]! < low || data[i]! > high) return `has ${data[i]} in its ${slot}, outside ${low}..${high}`;
  }
  return undefined;
}

/** Kernels sum what is stored in i32 before they take off the zero points. */
function brokenBySum(x: TensorType): string | undefined {
  if (x.encoding === undefined || x.shape.length !== 4) return undefined;
  const { multiplier } = operandOf(x);
  const bound = x.shape[1]! * x.shape[2]! * x.encoding.max * multiplier;
  return bound < 2 ** 31 ? undefined : `sums ${x.shape[1]! * x.shape[2]!} levels up to ${x.encoding.max}: past 2^31`;
}
