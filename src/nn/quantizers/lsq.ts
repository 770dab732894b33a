/**
 * Learned step sizes (LSQ, papers 3.7) of weights, -2^(k-1) .. 2^(k-1) - 1 steps, and of activations, 0 .. 2^k - 1 steps. The formulas
 * stand at the ops (ops/quantize/learned.ts). The step's gradient is multiplied by g = 1 / sqrt(N high) with N the weights of the layer
 * or the elements of one sample; the step begins as 2 mean|x| / sqrt(high) of the weights, or of the first batch.
 *
 * Weights of 1 bit would be -1 and 0; they are refused.
 */
import type { Value } from '../../core/graph.js';
import { maxLevel, sizeOf } from '../../core/tensor.js';
import { beginScale, learnedScale, quantizeScaled } from '../../ops/quantize/learned.js';
import { type Scope, zeros } from '../scope.js';
import type { Quantizer } from './quantizer.js';

interface Range {
  readonly low: number;
  readonly high: number;
  /** N of the gradient scale. */
  readonly elements: number;
}

function quantizeInSteps(scope: Scope, name: string, x: Value, { low, high, elements }: Range): Value {
  const { graph } = scope;
  const step = scope.parameter(`${name}/step`, [1], zeros);
  if (scope.training) graph.add(beginScale, `${name}/first`, [step, x], { high });
  const scale = graph.apply(learnedScale, `${name}/scale`, [step], { divisor: 1 });
  const attributes = { low, high, slope: 'rounded', factor: 1 / Math.sqrt(elements * high) } as const;
  return graph.apply(quantizeScaled, `${name}/levels`, [x, scale], attributes, scale);
}

/** Parameter: NAME/step [1]. */
export const lsqWeights: Quantizer = {
  name: 'lsq',
  description: 'multiples of a learned step, with a zero',
  bits: [2, 8],
  quantize(scope, name, filter, bits) {
    const half = 2 ** (bits - 1);
    return quantizeInSteps(scope, name, filter, { low: -half, high: half - 1, elements: sizeOf(filter.type.shape) });
  },
};

/** Parameter: NAME/step [1]. */
export const lsqActivations: Quantizer = {
  name: 'lsq',
  description: 'multiples of a learned step, from 0',
  bits: [1, 8],
  isBounding: true,
  quantize: (scope, name, x, bits) =>
    quantizeInSteps(scope, name, x, { low: 0, high: maxLevel(bits), elements: sizeOf(x.type.shape.slice(1)) }),
};
