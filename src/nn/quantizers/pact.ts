/**
 * Activations with a learned clip (PACT, papers 3.5): y = clip(x, 0, alpha) in 2^k - 1 steps. The formula of the gradient stands at
 * the op (ops/quantize/learned.ts); alpha is under the weights' decay, so that it shrinks until what is cut off weighs as much.
 */
import { maxLevel } from '../../core/tensor.js';
import { learnedScale, quantizeScaled } from '../../ops/quantize/learned.js';
import type { Initializer } from '../scope.js';
import type { Quantizer } from './quantizer.js';

/**
 * Three deviations of what a batch norm gives. The paper's CIFAR networks begin at 10, which only decay makes smaller, since nothing is
 * clipped there: at 2 bits most levels are then 0 for many epochs (digits 2-2-32 after 10 epochs: 0.95, and 0.98 from 3).
 */
const firstClip: Initializer = (data) => {
  data.fill(3);
};

/** Parameter: NAME/clip [1], alpha. */
export const pact: Quantizer = {
  name: 'pact',
  description: 'clip at a learned number',
  bits: [1, 8],
  isBounding: true,
  quantize(scope, name, x, bits) {
    const { graph } = scope;
    const high = maxLevel(bits);
    const clip = scope.parameter(`${name}/clip`, [1], firstClip, { decay: true });
    const scale = graph.apply(learnedScale, `${name}/scale`, [clip], { divisor: high });
    const attributes = { low: 0, high, slope: 'clipped', factor: 1 / high } as const;
    return graph.apply(quantizeScaled, `${name}/levels`, [x, scale], attributes, scale);
  },
};
