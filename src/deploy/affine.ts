/** The affine function, one per channel, that a chain of biases and batch norms is: in double precision, for rounding. */
import type { Node, Value } from '../core/graph.js';
import type { Tensor } from '../core/run-op.js';
import { largestInteger, stepOf, type TypedArray } from '../core/tensor.js';
import { activate } from '../ops/activation/activation.js';
import { batchNormalize, hasStatistics } from '../ops/batch-norm/batch-norm.js';
import { addBias, channelsOf } from '../ops/elementwise/elementwise.js';
import { maxMultiplier } from '../ops/integer/rescale.js';

/** A real value as integers of the new graph and what is still to be done to them. */
export interface Pending {
  readonly integer: Value;
  /** Multiplies the integer's step: one number, or one per channel. Not negative. */
  readonly scale: Tensor | undefined;
  /** Nodes of the old graph, in order. */
  readonly chain: readonly Node[];
}

export function appended(pending: Pending, node: Node): Pending {
  return { ...pending, chain: [...pending.chain, node] };
}

export interface Affine {
  /** real = slope[c] * integer + intercept[c] */
  readonly slope: readonly number[];
  readonly intercept: readonly number[];
}

/** What comes before a Relu at the end of the chain, or before several, which are one. */
export function withoutRelu(pending: Pending): { readonly before: Pending; readonly isRelu: boolean } {
  const { chain } = pending;
  const end = chain.findLastIndex(({ op, attributes }) => op.name !== activate.name || attributes.kind !== 'relu') + 1;
  return { before: { ...pending, chain: chain.slice(0, end) }, isRelu: end < chain.length };
}

type ContentsOf = (value: Value) => TypedArray;

/** Undefined when the chain has anything else in it. */
export function affineOf(pending: Pending, contentsOf: ContentsOf): Affine | undefined {
  const { type } = pending.integer;
  const scales = pending.scale?.data ?? [1];
  const slope = Array.from({ length: channelsOf(type.shape) }, (_, c) => stepOf(type) * scales[c % scales.length]!);
  return followed({ slope, intercept: slope.map(() => 0) }, pending.chain, contentsOf);
}

/** An affine function with a chain of others behind it; undefined when the chain has anything else in it. */
function followed(first: Affine, chain: readonly Node[], contentsOf: ContentsOf): Affine | undefined {
  let { slope, intercept } = first;
  for (const node of chain) {
    if (node.op.name === addBias.name) {
      const bias = contentsOf(node.inputs[1]!);
      intercept = intercept.map((offset, c) => offset + bias[c]!);
    } else if (node.op.name === batchNormalize.name) {
      const [mean, variance, gamma, beta] = node.inputs.slice(1).map((value) => contentsOf(value!));
      const scales = slope.map((_, c) => gamma![c]! / Math.sqrt(variance![c]! + node.attributes.epsilon));
      intercept = intercept.map((offset, c) => (offset - mean![c]!) * scales[c]! + beta![c]!);
      slope = slope.map((each, c) => each * scales[c]!);
    } else {
      return undefined;
    }
  }
  return { slope, intercept };
}

/** The largest |slope * x + intercept| of any channel for |x| <= bound. */
export function rangeOf({ slope, intercept }: Affine, bound: number): number {
  return slope.reduce((range, each, c) => Math.max(range, Math.abs(each) * bound + Math.abs(intercept[c]!)), 0);
}

/**
 * One step for the logits of all classes, whose accumulators are at most `max`: that of the accumulators where all have the same, else
 * as fine as multipliers are; one bit at a time coarser until weights and bias fit together. `bound`: of the real numbers.
 */
export function stepOfClasses(
  { slope, intercept }: Affine,
  max: number,
): { step: number; bound: number; isShared: boolean } {
  const largest = Math.max(...slope.map(Math.abs));
  const bound = max * largest + Math.max(...intercept.map(Math.abs));
  let step = largest > 0 ? largest : 1;
  const isShared = slope.every((each) => each === step);
  if (!isShared) step = Math.max(step / maxMultiplier, bound / 2 ** 30);
  while (bound / step > 2 ** 31 - 2) step *= 2;
  return { step, bound, isShared };
}

/** How many standard deviations from its mean a channel that no function bounds is clamped. */
const clampedDeviations = 8;

/** Where the values of an affine chain are clamped: what its last batch norm makes likely, and never above the static bound. */
export function clampOf(pending: Pending, affine: Affine, contentsOf: ContentsOf): number {
  const { chain, integer } = pending;
  const bound = rangeOf(affine, largestInteger(integer.type.encoding!));
  const at = chain.findLastIndex(
    ({ op, inputs, attributes }) =>
      op.name === batchNormalize.name &&
      hasStatistics(contentsOf(inputs[1]!), contentsOf(inputs[2]!), attributes.epsilon),
  );
  if (at < 0) return bound > 0 ? bound : 1;
  const [gamma, beta] = chain[at]!.inputs.slice(3).map((value) => Array.from(contentsOf(value!)));
  const normed = { slope: gamma!.map((each) => clampedDeviations * each), intercept: beta! };
  const range = Math.min(bound, rangeOf(followed(normed, chain.slice(at + 1), contentsOf)!, 1));
  return range > 0 ? range : 1;
}
