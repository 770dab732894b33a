/**
 * Test cases of ops: an op, attributes, and inputs with a recipe for their contents, seeded by the case's name. The cases of
 * a family stand in its x.cases.ts, all of them in src/ops/cases.ts; the parity test runs each on every backend and
 * instruction set and compares with the reference as the case's parity rule says.
 */
import { Philox } from '../util/philox.js';
import { type AnyOp, type InputTypes, type Op, type ParamSpec, slotName } from './op.js';
import { arrayOf, decode, operandOf, real, stepOf, type TensorType, type TypedArray } from './tensor.js';

/** Fills a tensor. `earlier` holds the contents of the inputs before this one, by slot. */
export type Content = (data: TypedArray, random: Philox, earlier: readonly (TypedArray | undefined)[]) => void;

export interface CaseInput {
  readonly type: TensorType;
  readonly content: Content;
}

/** A case with its contents filled in and the reference's results. */
export interface CaseRun {
  readonly op: AnyOp;
  readonly types: InputTypes;
  readonly attributes: unknown;
  readonly inputs: readonly (TypedArray | undefined)[];
  /** By slot: outputs, and inputs that the op writes to. */
  readonly results: Readonly<Record<string, TypedArray>>;
  /** Of the case. */
  readonly parity: Parity;
}

/** The largest difference that each element of a result may have. */
export interface Bound {
  (run: CaseRun): ArrayLike<number>;
  /** Of floats that are added in any order: it holds for a GPU, too. Other bounds count on sums and functions in double. */
  readonly isOfFloats?: true;
}

/** 'exact': every result bit for bit. Otherwise bounds by result slot; results that are not named are exact. */
export type Parity = 'exact' | Readonly<Record<string, Bound>>;

export interface OpCase {
  /** Unique within the op. */
  readonly name: string;
  readonly op: AnyOp;
  readonly attributes: unknown;
  readonly inputs: readonly (CaseInput | undefined)[];
  readonly parity: Parity;
}

/** A case whose attributes are checked against the op's; optional inputs at the end may be left out. Exact unless `parity` says otherwise. */
export function opCase<A, S extends ParamSpec>(
  op: Op<A, S>,
  name: string,
  inputs: readonly (CaseInput | undefined)[],
  attributes: NoInfer<A>,
  parity: Parity = 'exact',
): OpCase {
  return { name, op: op as AnyOp, attributes, inputs: op.inputs.map((_, i) => inputs[i]), parity };
}

/**
 * More elements than a kernel's thread takes at once (native/rows.h: 16384), in an odd number of pieces, the last one short.
 */
export const severalPieces = 40_003;

// Recipes.

export function normal(deviation = 1, mean = 0): Content {
  return (data, random) => {
    for (let i = 0; i < data.length; i++) data[i] = mean + deviation * random.nextNormal();
  };
}

export function uniform(low = 0, high = 1): Content {
  return (data, random) => {
    for (let i = 0; i < data.length; i++) data[i] = low + (high - low) * random.next();
  };
}

/** Integers low .. high, all equally likely. */
export function integers(low: number, high: number): Content {
  return (data, random) => {
    for (let i = 0; i < data.length; i++) data[i] = low + random.nextInt(high - low + 1);
  };
}

/** The given values over and over. */
export function values(...list: readonly number[]): Content {
  return (data) => {
    for (let i = 0; i < data.length; i++) data[i] = list[i % list.length]!;
  };
}

/** `rest`, with the given values in front as far as there is room. */
export function startingWith(list: readonly number[], rest: Content): Content {
  return (data, random, earlier) => {
    rest(data, random, earlier);
    for (let i = 0; i < Math.min(data.length, list.length); i++) data[i] = list[i]!;
  };
}

// Inputs.

export const input = (type: TensorType, content: Content): CaseInput => ({ type, content });

/** A real tensor, standard normal by default. */
export const realInput = (shape: readonly number[], content: Content = normal()): CaseInput => ({
  type: real(shape),
  content,
});

/** The training step, an i32[1]. */
export const stepInput = (step: number): CaseInput => ({ type: { dtype: 'i32', shape: [1] }, content: values(step) });

// Running.

export function fillInputs(testCase: OpCase): (TypedArray | undefined)[] {
  const filled: (TypedArray | undefined)[] = [];
  for (const [slot, each] of testCase.inputs.entries()) {
    const data = each && arrayOf(each.type);
    if (data) each.content(data, new Philox(slot, `${testCase.op.name}/${testCase.name}`), filled);
    filled.push(data);
  }
  return filled;
}

/** Runs the reference on fresh outputs, which begin as garbage; `inputs` is left as it is. */
export function evaluate(
  op: AnyOp,
  types: InputTypes,
  attributes: unknown,
  inputs: readonly (TypedArray | undefined)[],
): Record<string, TypedArray> {
  const buffers: Record<string, TypedArray> = {};
  for (const [i, slot] of op.inputs.map(slotName).entries()) if (inputs[i]) buffers[slot] = inputs[i].slice();
  for (const [i, type] of op.infer(types, attributes).entries()) buffers[op.outputs[i]!] = arrayOf(type).fill(77);
  op.reference(buffers, op.pack(types, attributes));
  return Object.fromEntries(resultSlots(op).map((slot) => [slot, buffers[slot]!]));
}

/** Slots that a call leaves results in: mutated inputs, then outputs. */
export function resultSlots(op: AnyOp): string[] {
  return [...(op.mutates ?? []), ...op.outputs];
}

export function runReference(testCase: OpCase): CaseRun {
  const { op, attributes } = testCase;
  const types = testCase.inputs.map((each) => each?.type);
  const inputs = fillInputs(testCase);
  const results = evaluate(op, types, attributes, inputs);
  return { op, types, attributes, inputs, results, parity: testCase.parity };
}

// Bounds.

/** The distance from 1 to the next float32: rounding errs by at most half of it, relatively. */
export const ulp = 2 ** -23;

/** A bound that counts on floats alone. */
export function ofFloats(bound: Bound): Bound {
  return Object.assign((run: CaseRun) => bound(run), { isOfFloats: true } as const);
}

/**
 * For a sum of `terms` products in float32, added in any order, fused or not: each of at most `terms` additions and a few
 * multiplications (products, scales) errs by at most 2^-24 of the sum of the products' absolute values. That sum is the
 * result of the same op on the absolute values of the real numbers that the inputs stand for.
 */
export function sumOfProducts(slot: string, terms: number): Parity {
  return {
    [slot]: ofFloats((run) => {
      const magnitude = onAbsoluteValues(run)[slot]!;
      return Float64Array.from(magnitude, (sum) => (terms + 8) * 2 ** -24 * sum);
    }),
  };
}

/**
 * For a sum in double that is rounded to float32 at the end, with at most three roundings (cast, factors) on either side.
 * `magnitude` is the sum of the absolute values, for the error of the double sum itself.
 */
export function doubleSum(result: ArrayLike<number>, magnitude: ArrayLike<number>, terms: number): Float64Array {
  return Float64Array.from(result, (sum, i) => 3 * ulp * Math.abs(sum) + (terms + 8) * 2 ** -52 * magnitude[i]!);
}

/**
 * For a sum over rows: up to 16 terms, each rounded a few times, may be summed in float32 before a double takes them
 * (native/rows.h). `magnitude` is the sum of the absolute values.
 */
export function rowSum(magnitude: ArrayLike<number>): Float64Array {
  return Float64Array.from(magnitude, (sum) => (16 + 8) * 2 ** -24 * sum);
}

/** The reference on real tensors of absolute values in place of each real or quantized input. */
export function onAbsoluteValues(run: CaseRun): Record<string, TypedArray> {
  const types = run.types.map((type) => (type?.encoding === undefined ? type : real(type.shape)));
  const inputs = run.inputs.map((data, slot) => {
    const type = run.types[slot];
    if (type === undefined || data === undefined || type.dtype === 'i32') return data;
    const operand = operandOf(type);
    const channels = type.shape[type.shape.length - 1] ?? 1;
    return Float32Array.from(data, (stored, i) => Math.abs(decode(operand, stored, i % channels) * stepOf(type)));
  });
  return evaluate(run.op, types, run.attributes, inputs);
}
