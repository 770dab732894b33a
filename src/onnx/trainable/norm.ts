/**
 * Arithmetic per channel as batch norms: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta. A bias, a factor and a batch norm in a
 * row are one.
 *
 * What a convolution was given besides its filter when a batch norm was folded into it (a bias), or what a model computes per channel
 * without statistics, becomes a batch norm, too: low-bit filters lose the size of the float ones, and a batch norm takes out whatever
 * factor is left, where a bias alone cannot. Its statistics are measured before the first step (statistics.ts), so that it begins as the
 * function that it was, in training as well as in evaluation. (A LeNet on digits, 3 epochs at 1 and 2 bits, shows no difference to a bias
 * that is kept: 0.97 to 0.99 either way.)
 */
import type { Graph, Node } from '../../core/graph.js';
import type { TypedArray } from '../../core/tensor.js';
import { batchNormalize, hasStatistics } from '../../ops/batch-norm/batch-norm.js';
import { addBias } from '../../ops/elementwise/elementwise.js';

export interface Norm {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
  readonly gamma: Float64Array;
  readonly beta: Float64Array;
  readonly epsilon: number;
  /** Whether mean and variance are statistics, rather than 0 and 1. */
  readonly isMeasured: boolean;
}

/** Of batch norms that are made here; PyTorch's. */
const ownEpsilon = 1e-5;

/** Undefined for a node that is nothing of the kind. */
export function normOf(graph: Graph, { op, inputs, attributes }: Node): Norm | undefined {
  const at = (i: number): Float64Array => Float64Array.from(graph.constants.get(inputs[i]!) as TypedArray);
  const filled = (value: number, { length }: Float64Array): Float64Array => new Float64Array(length).fill(value);
  if (op.name === addBias.name) {
    const beta = at(1);
    const [zeros, ones] = [filled(0, beta), filled(1, beta)];
    return { mean: zeros, variance: ones, gamma: ones, beta, epsilon: 0, isMeasured: false };
  }
  if (op.name !== batchNormalize.name) return undefined;
  const [mean, variance, gamma, beta] = [at(1), at(2), at(3), at(4)];
  const { epsilon } = attributes as { epsilon: number };
  return { mean, variance, gamma, beta, epsilon, isMeasured: hasStatistics(mean, variance, epsilon) };
}

/** `second` of `first`; undefined where that is no single batch norm. */
export function joined(first: Norm, second: Norm): Norm | undefined {
  if (!second.isMeasured) {
    const gamma = first.gamma.map((each, c) => each * second.gamma[c]!);
    const beta = first.beta.map((each, c) => each * second.gamma[c]! + second.beta[c]!);
    return { ...first, gamma, beta };
  }
  if (first.isMeasured || !isBias(first)) return undefined;
  return { ...second, mean: second.mean.map((each, c) => each - first.beta[c]!) };
}

export const isBias = ({ isMeasured, gamma }: Norm): boolean => !isMeasured && gamma.every((each) => each === 1);

/** The factor of all channels, above 0, where that is all there is. */
export function factorOf({ isMeasured, gamma, beta }: Norm): number | undefined {
  const [factor] = gamma;
  const isFactor = factor! > 0 && gamma.every((each) => each === factor) && beta.every((each) => each === 0);
  return !isMeasured && isFactor ? factor : undefined;
}

/** With an epsilon that a layer may have. What is not measured stays the same function. */
export function asLayer(norm: Norm): Norm {
  if (norm.isMeasured) return norm;
  return { ...norm, variance: norm.variance.map(() => 1 - ownEpsilon), epsilon: ownEpsilon };
}
