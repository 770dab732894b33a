/**
 * Pooling of deployed networks: maxima of levels or accumulators (quantization is monotone: DoReFa-Net 2.8, eq. 15) without
 * the positions that training keeps, and sums over all pixels (the mean's divisor goes into the next factor).
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { decode, describe, integer, largestInteger, operandOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { maxPoolWindows, type PoolAttributes, poolParams, poolParamsOf, poolShape } from '../pool/pool.js';

export const integerMaxPool = defineOp({
  name: 'integer-max-pool',
  inputs: ['x'],
  outputs: ['y'],
  infer([x]: InputTypes, attributes: PoolAttributes) {
    if (x!.dtype !== 'u8' && x!.dtype !== 'i32') throw new SubbitError(`needs levels or i32, not ${describe(x!)}`);
    return [{ ...x!, shape: poolShape(x!, attributes) }];
  },
  params: { ...poolParams, isByte: 'i32' },
  pack: ([x], attributes) => ({ ...poolParamsOf(x!.shape, attributes), isByte: x!.dtype === 'u8' ? 1 : 0 }),
  reference({ x, y }, p) {
    maxPoolWindows(p, x!, (out, best) => {
      y![out] = best;
    });
  },
});

/** [N, H, W, C] -> [N, 1, 1, C], the sum of the integers. */
export const sumPool = defineOp({
  name: 'sum-pool',
  inputs: ['x'],
  outputs: ['y'],
  infer([x]: InputTypes, _: Record<string, never>) {
    const isInteger = x!.encoding !== undefined && (x!.dtype === 'u8' || x!.dtype === 'i32');
    if (!isInteger || x!.shape.length !== 4)
      throw new SubbitError(`needs an NHWC image of integers, not ${describe(x!)}`);
    const [batch, height, width, channels] = x!.shape as [number, number, number, number];
    const bound = height * width * largestInteger(x!.encoding!);
    return [integer([batch, 1, 1, channels], bound, { step: x!.encoding!.step })];
  },
  params: { batch: 'i32', pixels: 'i32', channels: 'i32', isByte: 'i32', x: 'operand' },
  pack: ([x]) => ({
    batch: x!.shape[0]!,
    pixels: x!.shape[1]! * x!.shape[2]!,
    channels: x!.shape[3]!,
    isByte: x!.dtype === 'u8' ? 1 : 0,
    x: operandOf(x!),
  }),
  reference({ x, y }, p) {
    for (let n = 0; n < p.batch; n++)
      for (let c = 0; c < p.channels; c++) {
        let sum = 0;
        for (let i = 0; i < p.pixels; i++) sum += decode(p.x, x![(n * p.pixels + i) * p.channels + c]!, c);
        y![n * p.channels + c] = sum;
      }
  },
});
