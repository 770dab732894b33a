/**
 * Sums over the windows of an average pool (ops/pool/average-pool), of integers: `sum-pool` of the whole image, elsewhere a depthwise
 * convolution with ones, so that deployed networks need no other op. The mean's divisor goes into a scale, which all windows
 * share: each must hold the same number of pixels.
 */
import type { Graph, Node, Value } from '../core/graph.js';
import { quantized, sizeOf } from '../core/tensor.js';
import { channelsOf } from '../ops/elementwise/elementwise.js';
import { sumPool } from '../ops/integer/integer-pool.js';
import { integerConv2d } from '../ops/integer-conv2d/integer-conv2d.js';
import { isInside, isWholeImage } from '../ops/pool/average-pool.js';
import type { PoolAttributes } from '../ops/pool/pool.js';
import { SubbitError } from '../util/errors.js';

/** How many pixels each window of an average pool holds. Throws when they do not hold the same number. */
export function pixelsOfWindows({ name, inputs, attributes }: Node): number {
  const { shape } = inputs[0]!.type;
  if (isWholeImage(shape, attributes)) return shape[1]! * shape[2]!;
  if (isInside(shape, attributes)) return attributes.size ** 2;
  throw new SubbitError(
    `${name}: means over windows that hang over the image's edge cannot be deployed; use the padding 'valid'`,
  );
}

/** The sums of `x`, integers in the place of what the pool takes. */
export function sumOfWindows(graph: Graph, { name, inputs, attributes }: Node, x: Value): Value {
  if (isWholeImage(inputs[0]!.type.shape, attributes)) return graph.apply(sumPool, name, [x], {});
  const { size, ...window } = attributes as PoolAttributes;
  const channels = channelsOf(x.type.shape);
  const type = quantized([size, size, 1, channels], { kind: 'bipolar', max: 1, step: 1 });
  const ones = graph.constant(`${name}/ones`, type, new Uint8Array(sizeOf(type.shape)).fill(1));
  return graph.apply(integerConv2d, name, [x, ones], { ...window, dilation: 1, groups: channels });
}
