/**
 * Gradients of binary weights W_b = sign(W) * scale that are not the identity. F is what stands for the sign, clip-sign, approx-sign or
 * swish-sign (ops/activation):
 *
 *     dW = F'(W) dW_b                                 scale and its gradient left out, as in DoReFa-Net (papers 1.2)
 *     dW = (1 / n + scale F'(W)) dW_b                 with a scale per output channel, mean|W| of its n weights: XNOR-Net (papers 3.1)
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { activationKinds, type SignKind, slopeAt } from '../activation/activation.js';
import { channelsOf, requireSameShape } from '../elementwise/elementwise.js';

/** x [.., K], dy of its shape, scale [K] -> dx */
export const signGradient = defineOp({
  name: 'sign-gradient',
  inputs: ['x', 'dy', 'scale?'],
  outputs: ['dx'],
  infer([x, dy, scale]: InputTypes, _: { readonly kind: SignKind }) {
    requireSameShape([x, dy]);
    if (scale !== undefined && scale.shape.join() !== String(channelsOf(x!.shape)))
      throw new SubbitError(`needs one scale per channel of ${describe(x!)}, not ${describe(scale)}`);
    return [x!];
  },
  params: { rows: 'i32', channels: 'i32', kind: 'i32', share: 'f32' },
  pack([x], { kind }) {
    const channels = channelsOf(x!.shape);
    const rows = sizeOf(x!.shape) / channels;
    return { rows, channels, kind: activationKinds[kind], share: Math.fround(1 / rows) };
  },
  reference({ x, dy, scale, dx }, p) {
    for (let i = 0; i < p.rows * p.channels; i++) {
      const slope = 2 * slopeAt(x![i]!, p.kind);
      const factor = scale ? Math.fround(p.share + Math.fround(scale[i % p.channels]! * slope)) : slope;
      dx![i] = factor * dy![i]!;
    }
  },
});
