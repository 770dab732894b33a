/** Functions of a single byte as tables: a product with one weight per channel, and the thresholds or the rescaling behind it. */
import type { Node, Value } from '../core/graph.js';
import { runOp, type Tensor } from '../core/run-op.js';
import type { TypedArray } from '../core/tensor.js';
import { tableEntries } from '../ops/integer/lookup.js';

/** Whether each of an `integer-conv2d`'s sums is the byte at its place times one weight of the byte's channel. */
export function isPerElement({ inputs: [x, filter], outputs: [y] }: Node): boolean {
  const [kernelHeight, kernelWidth, groupInputs, outChannels] = filter!.type.shape;
  const isOneWeight = kernelHeight === 1 && kernelWidth === 1 && groupInputs === 1 && outChannels === x!.type.shape[3];
  // A single tap takes no padding, so that of the same size nothing is strided over either.
  return isOneWeight && x!.type.dtype === 'u8' && x!.type.shape.join() === y!.type.shape.join();
}

/** What the two nodes make of every byte, [256, channels]. */
export function tablesOf(conv: Node, last: Node, constants: ReadonlyMap<Value, TypedArray>): Tensor {
  const constant = (value: Value | undefined): Tensor | undefined =>
    value && { type: value.type, data: constants.get(value)! };
  const [x, ...weights] = conv.inputs;
  const channels = x!.type.shape[3]!;
  const type = { ...x!.type, shape: [1, tableEntries, 1, channels] };
  const bytes = Uint8Array.from({ length: tableEntries * channels }, (_, i) => Math.floor(i / channels));
  const geometry = { ...conv.attributes, stride: 1, outHeight: tableEntries, outWidth: 1 };
  const sums = runOp(conv.op, [{ type, data: bytes }, ...weights.map(constant)], geometry);
  const { type: found, data } = runOp(last.op, [sums, ...last.inputs.slice(1).map(constant)], last.attributes);
  return { type: { dtype: found.dtype, shape: [tableEntries, channels] }, data };
}
