/**
 * Levels as accumulators. Thresholds and rescalings take i32; levels, of an image that the network quantizes itself or of a quantizer that a
 * residual stream begins with, become these by a product with 1.
 */
import type { Graph, Value } from '../core/graph.js';
import { quantized } from '../core/tensor.js';
import { integerConv2d } from '../ops/integer-conv2d/integer-conv2d.js';

/** A function from a value of `graph` to the same integers as i32, each computed once. */
export function accumulatorsIn(graph: Graph): (x: Value) => Value {
  const known = new Map<Value, Value>();
  return (x) => {
    const found = x.type.dtype === 'i32' ? x : (known.get(x) ?? widened(graph, x));
    known.set(x, found);
    return found;
  };
}

function widened(graph: Graph, x: Value): Value {
  const [, outHeight, outWidth, channels] = x.type.shape as [number, number, number, number];
  const one = graph.constant(
    `${x.name}/one`,
    quantized([1, 1, 1, channels], { kind: 'bipolar', max: 1, step: 1 }),
    new Uint8Array(channels).fill(1),
  );
  const window = { stride: 1, padTop: 0, padLeft: 0, outHeight, outWidth };
  return graph.apply(integerConv2d, `${x.name}/integers`, [x, one], { ...window, dilation: 1, groups: channels });
}
