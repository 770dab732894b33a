/** Scales of pending integers (round.ts): one number, or one per channel. */
import type { Node } from '../core/graph.js';
import type { Tensor } from '../core/run-op.js';
import { real, type TensorType } from '../core/tensor.js';
import { channelsOf, reshape } from '../ops/elementwise/elementwise.js';
import { SubbitError } from '../util/errors.js';

/** `factor` has one element. */
export function multiplied(factor: Tensor, scale: Tensor): Tensor {
  return { type: scale.type, data: Float32Array.from(scale.data, (each) => factor.data[0]! * each) };
}

/**
 * The scale of integers of type `from` that a node moved: a reshape repeats their channels, and the channels that a shortcut adds
 * are zeros, whose scale is any.
 */
export function movedScale(scale: Tensor, node: Node, from: TensorType): Tensor {
  const [channels, moved] = [from, node.outputs[0]!.type].map(({ shape }) => channelsOf(shape)) as [number, number];
  if (scale.data.length === 1 || channels === moved) return scale;
  if (node.op.name === reshape.name && moved % channels !== 0)
    throw new SubbitError(
      `${node.name}: a reshape that cuts ${channels} scaled channels to ${moved} cannot be deployed`,
    );
  const data = Float32Array.from({ length: moved }, (_, c) => scale.data[c % channels]!);
  return { type: real([moved]), data };
}
