/**
 * What the low-bit kernels of training want of a quantized filter besides its packed form.
 *
 * The gradient of a convolution's input is itself a convolution when the stride is 1 (DoReFa-Net, algorithm 1: the product
 * W x G): of dy, with the filter turned around, input and output channels exchanged and padding (size - 1) * dilation - pad.
 * `reverse-filter` makes that filter.
 *
 * Gradients are bipolar: integer = 2q - max. Kernels multiply the levels q, so the term max * (sum of the weights under the
 * window) is taken off afterwards; at the border only some taps are inside. `filter-offsets` gives the terms by tap, and
 * their sum for the pixels that have all taps (packed-conv2d.ts: O).
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { decode, describe, operandOf, type TensorType } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';

function requireLevels(filter: TensorType): readonly [number, number, number, number] {
  if (filter.dtype !== 'u8' || filter.shape.length !== 4)
    throw new SubbitError(`needs a filter of levels in four dimensions, not ${describe(filter)}`);
  return filter.shape as [number, number, number, number];
}

/** filter u8 [KH, KW, C, K] -> reversed u8 [KH, KW, K, C], of one group */
export const reverseFilter = defineOp({
  name: 'reverse-filter',
  inputs: ['filter'],
  outputs: ['reversed'],
  infer([filter]: InputTypes, _: Record<string, never>) {
    const [height, width, inChannels, outChannels] = requireLevels(filter!);
    return [{ ...filter!, shape: [height, width, outChannels, inChannels] }];
  },
  params: { taps: 'i32', inChannels: 'i32', outChannels: 'i32' },
  pack([filter]) {
    const [height, width, inChannels, outChannels] = requireLevels(filter!);
    return { taps: height * width, inChannels, outChannels };
  },
  reference({ filter, reversed }, p) {
    for (let tap = 0; tap < p.taps; tap++)
      for (let c = 0; c < p.inChannels; c++)
        for (let k = 0; k < p.outChannels; k++) {
          const from = (tap * p.inChannels + c) * p.outChannels + k;
          const to = ((p.taps - 1 - tap) * p.outChannels + k) * p.inChannels + c;
          reversed![to] = filter![from]!;
        }
  },
});

/** filter u8 [KH, KW, C, K] -> offsets i32 [KH * KW + 1, K]: xOffset * sum over C of the weights, by tap and in all */
export const filterOffsets = defineOp({
  name: 'filter-offsets',
  inputs: ['filter'],
  outputs: ['offsets'],
  infer([filter]: InputTypes, _: { readonly xOffset: number }) {
    const [height, width, , outChannels] = requireLevels(filter!);
    return [{ dtype: 'i32', shape: [height * width + 1, outChannels] }];
  },
  params: { taps: 'i32', inChannels: 'i32', outChannels: 'i32', filter: 'operand', xOffset: 'i32' },
  pack([filter], { xOffset }) {
    const [height, width, inChannels, outChannels] = requireLevels(filter!);
    return { taps: height * width, inChannels, outChannels, filter: operandOf(filter!), xOffset };
  },
  reference({ filter, offsets }, p) {
    const total = offsets!.subarray(p.taps * p.outChannels);
    for (let k = 0; k < p.outChannels; k++) {
      total[k] = 0;
      for (let tap = 0; tap < p.taps; tap++) {
        let sum = 0;
        for (let c = 0; c < p.inChannels; c++)
          sum += decode(p.filter, filter![(tap * p.inChannels + c) * p.outChannels + k]!, k);
        offsets![tap * p.outChannels + k] = p.xOffset * sum;
        total[k] = total[k]! + p.xOffset * sum;
      }
    }
  },
});
