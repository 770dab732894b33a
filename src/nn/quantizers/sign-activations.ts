/**
 * Binary activations with gradients of the sign: clipped (BNN, XNOR-Net; papers 3.1), of the approximate sign (Bi-Real Net; papers 3.2),
 * of the SwishSign (BNN+), and the approximate sign of x - alpha (ReActNet; papers 3.4).
 *
 *     clip-sign, approx-sign, swish-sign     level = 1 if x > 0, else 0          dx = F'(x) / 2 dy (ops/activation)
 *     rsign                                  level = 1 if x > alpha, else 0, alpha learned per channel: approx-sign of x - alpha
 *
 * The papers' levels are -1 and +1. Ours are 0 and 1, as low-bit kernels take them, an affine change (2 q - 1) of what a convolution
 * gives: its offset, a constant per output channel, goes into the next batch norm, and so does its factor, or in a residual
 * stream into the scale of the filter. The padding is the lower level. The real number is half as large, and so is its gradient.
 *
 * The way back is that of the bounded function (F + 1) / 2, of which the levels are one bit (ops/activation), so it needs no
 * clip in front. The threshold is trained as the bias -alpha: its gradient is the sum of dx over the pixels, minus
 * that of alpha. Right behind a batch norm the bias and the norm's beta add up; behind anything else it is a threshold of its own.
 */
import type { Value } from '../../core/graph.js';
import { activate, type SignKind } from '../../ops/activation/activation.js';
import { addBias, channelsOf } from '../../ops/elementwise/elementwise.js';
import { quantizeUnit } from '../../ops/quantize/activations.js';
import { type Scope, zeros } from '../scope.js';
import type { Quantizer } from './quantizer.js';

function binarize({ graph }: Scope, name: string, x: Value, kind: SignKind): Value {
  const bounded = graph.apply(activate, `${name}/${kind}`, [x], { kind });
  return graph.apply(quantizeUnit, `${name}/levels`, [bounded], { bits: 1 });
}

const signActivations = (kind: SignKind, description: string): Quantizer => ({
  name: kind,
  description,
  bits: [1, 1],
  isBounding: true,
  quantize: (scope, name, x) => binarize(scope, name, x, kind),
});

export const clipSign: Quantizer = signActivations('clip-sign', 'whether x > 0, gradient 0 outside of -1..1');
export const approxSign: Quantizer = signActivations(
  'approx-sign',
  'the same with the gradient of the approximate sign',
);
export const swishSign: Quantizer = signActivations('swish-sign', 'the same with the gradient of the SwishSign');

/** Parameter: NAME/shift, minus the threshold of each channel. */
export const rsign: Quantizer = {
  name: 'rsign',
  description: '1 bit: whether x is above a threshold learned per channel, with the gradient of the approximate sign',
  bits: [1, 1],
  isBounding: true,
  quantize(scope, name, x) {
    const shift = scope.parameter(`${name}/shift`, [channelsOf(x.type.shape)], zeros);
    return binarize(scope, name, scope.graph.apply(addBias, `${name}/shifted`, [x, shift], {}), 'approx-sign');
  },
};
