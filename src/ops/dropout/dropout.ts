/**
 * Dropout: each element is kept with probability 1 - rate and divided by it, else zero. It is linear with random factors, so
 * its gradient is the same op with the same random numbers. On levels the division goes into the encoding's step: levels
 * stay levels.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { Philox } from '../../util/philox.js';

export interface DropoutAttributes {
  /** Probability of dropping, 0 <= rate < 1. */
  readonly rate: number;
  readonly seed: number;
  readonly stream: number;
}

export const dropout = defineOp({
  name: 'dropout',
  inputs: ['x', 'step'],
  outputs: ['y'],
  infer([x]: InputTypes, { rate }: DropoutAttributes) {
    if (!(rate >= 0 && rate < 1)) throw new SubbitError(`the dropout rate must be at least 0 and below 1, not ${rate}`);
    const encoding = x!.encoding;
    if (encoding === undefined) return [x!];
    if (encoding.kind !== 'levels' || encoding.zeroPoints !== undefined) {
      throw new SubbitError(`needs a tensor whose level 0 means zero, not a ${encoding.kind} ${describe(x!)}`);
    }
    return [{ ...x!, encoding: { ...encoding, step: encoding.step / (1 - rate) } }];
  },
  params: { count: 'i32', isReal: 'i32', rate: 'f32', factor: 'f32', seed: 'i32', stream: 'i32' },
  pack: ([x], { rate, seed, stream }) => ({
    count: sizeOf(x!.shape),
    isReal: x!.dtype === 'f32' ? 1 : 0,
    rate: Math.fround(rate),
    factor: x!.dtype === 'f32' ? Math.fround(1 / (1 - rate)) : 1,
    seed: seed | 0,
    stream: stream | 0,
  }),
  reference({ x, step, y }, p) {
    const random = new Philox(p.seed, p.stream, step![0]!);
    for (let i = 0; i < p.count; i++) y![i] = random.uniform(i) >= p.rate ? x![i]! * p.factor : 0;
  },
});
