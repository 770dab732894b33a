/**
 * Binary weights: the sign with gradients of its own (ops/quantize/signs.ts), and XNOR-Net's scale per output channel. That scale leaves
 * the forward product, but not the input gradient's sum over the channels, so training multiplies these filters in float; deployed,
 * it goes into the thresholds, and the product is as fast as any.
 */
import type { SignKind } from '../../ops/activation/activation.js';
import { meanAbs, meanAbsPerChannel, quantizeSign } from '../../ops/quantize/weights.js';
import type { Quantizer } from './quantizer.js';

/** sign(W) * mean|W| of the layer, as dorefa; dW through what stands for the sign. */
const signWeights = (kind: SignKind, description: string): Quantizer => ({
  name: kind,
  description,
  bits: [1, 1],
  quantize({ graph }, name, filter) {
    const scale = graph.apply(meanAbs, `${name}/scale`, [filter], {});
    return graph.apply(quantizeSign, `${name}/sign`, [filter], { kind }, scale);
  },
});

export const clipSignWeights: Quantizer = signWeights('clip-sign', 'sign(W) * mean|W|, gradient 0 outside of -1..1');
export const approxSignWeights: Quantizer = signWeights('approx-sign', 'the same with the gradient 2 - 2|W|');
export const swishSignWeights: Quantizer = signWeights('swish-sign', 'the same with the gradient of the SwishSign');

export const xnorWeights: Quantizer = {
  name: 'xnor',
  description: 'sign(W) * mean|W| of each output channel',
  bits: [1, 1],
  quantize({ graph }, name, filter) {
    const scale = graph.apply(meanAbsPerChannel, `${name}/scale`, [filter], {});
    const attributes = { kind: 'clip-sign', scaleAxis: 'last' } as const;
    return graph.apply(quantizeSign, `${name}/sign`, [filter], attributes, scale);
  },
};
