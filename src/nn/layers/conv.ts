/** Convolution and dense layers: the layers with weights, quantized as `scope.bitsOf(name)` says. */
import type { Value } from '../../core/graph.js';
import { conv2d } from '../../ops/conv2d/conv2d.js';
import { spanOf } from '../../ops/conv2d/geometry.js';
import { addBias, reshape } from '../../ops/elementwise/elementwise.js';
import { SubbitError } from '../../util/errors.js';
import { requireBits } from '../quantizers/quantizer.js';
import { heNormal, type Layer, type Scope, zeros } from '../scope.js';
import { type Padding, slide } from './window.js';

export interface ConvOptions {
  readonly channels: number;
  /** Side of the square filter. @default 3 */
  readonly size?: number;
  /** @default 1 */
  readonly stride?: number;
  /** Pixels from one filter tap to the next. @default 1 */
  readonly dilation?: number;
  /** Deals input and output channels into as many groups; the number of input channels makes it depthwise. @default 1 */
  readonly groups?: number;
  /** @default 'same' */
  readonly padding?: Padding;
  /** @default false */
  readonly bias?: boolean;
}

/**
 * y = x (*) f_W(filter) [+ bias], with f_G on the gradient that comes back. x is [N, H, W, C]: real, levels from an
 * activation layer, or image bytes. Parameters: NAME/filter [size, size, C / groups, channels], NAME/bias. Throws when groups
 * does not divide C.
 */
export function conv(name: string, options: ConvOptions): Layer {
  const { channels, size = 3, stride = 1, dilation = 1, groups = 1, padding = 'same', bias = false } = options;
  return (scope, x) => {
    const [, height, width, inChannels] = x.type.shape as [number, number, number, number];
    if (inChannels % groups !== 0)
      throw new SubbitError(
        `${name}: ${inChannels} input channels cannot be dealt into ${groups} groups of equal size`,
      );
    const vertical = slide(height, spanOf(size, dilation), stride, padding);
    const horizontal = slide(width, spanOf(size, dilation), stride, padding);
    const shape = [size, size, inChannels / groups, channels];
    const fanIn = size * size * (inChannels / groups);
    const filter = scope.parameter(`${name}/filter`, shape, heNormal, { fanIn, decay: true });
    const bits = scope.bitsOf(name);
    const weights = quantizeWeights(scope, name, filter, bits.weight);
    let y = scope.graph.apply(conv2d, name, [x, weights, x.scale, weights.scale], {
      stride,
      dilation,
      groups,
      padTop: vertical.before,
      padLeft: horizontal.before,
      outHeight: vertical.out,
      outWidth: horizontal.out,
    });
    if (bits.gradient < 32) y = scope.gradientQuantizer.quantize(scope, name, y, bits.gradient);
    return bias
      ? scope.graph.apply(addBias, `${name}/biased`, [y, scope.parameter(`${name}/bias`, [channels], zeros)], {})
      : y;
  };
}

function quantizeWeights(scope: Scope, name: string, filter: Value, bits: number): Value {
  if (bits === 32) return filter;
  const quantizer = scope.quantizerOf('weight', name);
  requireBits('weight', quantizer, bits, { layer: name });
  return quantizer.quantize(scope, `${name}/weights`, filter, bits);
}

/** A fully connected layer: a 1x1 convolution on a 1x1 image. x is [N, 1, 1, C]; flatten or pool first. */
export function dense(name: string, options: { readonly outputs: number; readonly bias?: boolean }): Layer {
  return (scope, x) => {
    if (x.type.shape[1] !== 1 || x.type.shape[2] !== 1) {
      throw new SubbitError(
        `${name}: a dense layer needs one vector per sample, not [${x.type.shape.join(', ')}]; flatten first`,
      );
    }
    return conv(name, { channels: options.outputs, size: 1, bias: options.bias ?? true })(scope, x);
  };
}

/** [N, H, W, C] -> [N, 1, 1, H W C] */
export function flatten(): Layer {
  return ({ graph }, x) => {
    const [batch, height, width, channels] = x.type.shape as [number, number, number, number];
    return graph.apply(reshape, `${x.name}/flat`, [x], { shape: [batch, 1, 1, height * width * channels] }, x.scale);
  };
}
