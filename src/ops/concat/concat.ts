/**
 * Two images side by side along the channels: real ones, levels of one encoding (which stay levels), or integers of one step (the
 * streams of deployed networks).
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { bytesOf, describe, integer, real, sizeOf, type TensorType } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { channelsOf, requireReal } from '../elementwise/elementwise.js';

/** Whether two tensors' elements mean the same, so that they can stand in one tensor. Per-channel zero points would change places. */
export function isJoinable(a: TensorType, b: TensorType): boolean {
  if (a.dtype !== b.dtype || a.encoding?.kind !== b.encoding?.kind) return false;
  if (a.encoding === undefined || b.encoding === undefined) return a.dtype === 'f32';
  if (a.encoding.kind === 'integer') return a.dtype === 'i32' && a.encoding.step === b.encoding.step;
  const facts = ({ encoding }: TensorType): string =>
    JSON.stringify([encoding!.max, encoding!.step, encoding!.zeroPoints ?? [0]]);
  return (a.encoding.zeroPoints?.length ?? 1) === 1 && facts(a) === facts(b);
}

const params = { rows: 'i32', channelsA: 'i32', channelsB: 'i32' } as const;

export const concat = defineOp({
  name: 'concat',
  inputs: ['a', 'b'],
  outputs: ['y'],
  infer([a, b]: InputTypes, _: Record<string, never>) {
    const isAligned = a!.shape.length > 0 && a!.shape.slice(0, -1).join() === b!.shape.slice(0, -1).join();
    if (!isAligned || !isJoinable(a!, b!))
      throw new SubbitError(
        `needs two tensors of one encoding that differ in channels alone, not ${describe(a!)} and ${describe(b!)}`,
      );
    const shape = [...a!.shape.slice(0, -1), channelsOf(a!.shape) + channelsOf(b!.shape)];
    if (a!.encoding?.kind !== 'integer') return [{ ...a!, shape }];
    return [integer(shape, Math.max(a!.encoding.max, b!.encoding!.max), { step: a!.encoding.step })];
  },
  params: { ...params, elementBytes: 'i32' },
  pack: ([a, b]) => ({
    rows: sizeOf(a!.shape) / channelsOf(a!.shape),
    channelsA: channelsOf(a!.shape),
    channelsB: channelsOf(b!.shape),
    elementBytes: bytesOf(a!) / sizeOf(a!.shape),
  }),
  reference({ a, b, y }, p) {
    const channels = p.channelsA + p.channelsB;
    for (let row = 0; row < p.rows; row++)
      for (let c = 0; c < channels; c++) {
        const isFirst = c < p.channelsA;
        y![row * channels + c] = isFirst ? a![row * p.channelsA + c]! : b![row * p.channelsB + c - p.channelsA]!;
      }
  },
});

/** dy taken apart again. */
export const concatGradient = defineOp({
  name: 'concat-gradient',
  inputs: ['dy'],
  outputs: ['dA', 'dB'],
  infer([dy]: InputTypes, { channelsA }: { readonly channelsA: number }) {
    requireReal(dy!);
    const channels = channelsOf(dy!.shape);
    return [channelsA, channels - channelsA].map((part) => real([...dy!.shape.slice(0, -1), part]));
  },
  params,
  pack: ([dy], { channelsA }) => ({
    rows: sizeOf(dy!.shape) / channelsOf(dy!.shape),
    channelsA,
    channelsB: channelsOf(dy!.shape) - channelsA,
  }),
  reference({ dy, dA, dB }, p) {
    const channels = p.channelsA + p.channelsB;
    for (let row = 0; row < p.rows; row++)
      for (let c = 0; c < channels; c++) {
        const each = dy![row * channels + c]!;
        if (c < p.channelsA) dA![row * p.channelsA + c] = each;
        else dB![row * p.channelsB + c - p.channelsA] = each;
      }
  },
});
