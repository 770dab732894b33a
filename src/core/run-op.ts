/** One op by its reference, on given contents: for constants, and for functions of a channel that something is made of. */
import { type AnyOp, type InputTypes, slotName } from './op.js';
import { arrayOf, type TensorType, type TypedArray } from './tensor.js';

export interface Tensor {
  readonly type: TensorType;
  readonly data: TypedArray;
}

/** The op's first output. */
export function runOp(op: AnyOp, inputs: readonly (Tensor | undefined)[], attributes: unknown): Tensor {
  const types: InputTypes = inputs.map((tensor) => tensor?.type);
  const outputs = op.infer(types, attributes).map((type): Tensor => ({ type, data: arrayOf(type) }));
  const buffers: Record<string, TypedArray> = {};
  for (const [i, slot] of op.inputs.map(slotName).entries()) if (inputs[i]) buffers[slot] = inputs[i].data;
  for (const [i, slot] of op.outputs.entries()) buffers[slot] = outputs[i]!.data;
  op.reference(buffers, op.pack(types, attributes));
  return outputs[0]!;
}
