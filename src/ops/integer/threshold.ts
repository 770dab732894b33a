/**
 * From accumulators to levels by comparisons (DoReFa-Net 2.8): what batch norm, bounded activation and quantizer of a channel
 * become in a deployed network.
 *
 *     level = #{ j : x >= up[j] } + #{ j : x <= down[j] }
 *
 * `up` alone serves a function that grows with x. min(1, |x|) grows on both sides: there `down` counts the other one. A
 * threshold that is never reached is 2^31 - 1 (up) or -2^31 (down); no accumulator gets there.
 *
 * Levels count from zero unless `zeroPoint` says which of them means zero, or `bipolar` that they are -max, -max + 2, .., max.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, type Encoding, quantized, sizeOf, type TypedArray } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { channelsOf } from '../elementwise/elementwise.js';

export const neverUp = 2 ** 31 - 1;
export const neverDown = -(2 ** 31);

export interface ThresholdAttributes {
  /** The level that means zero. @default 0 */
  readonly zeroPoint?: number;
  /** 1: the integers are 2 level - max. @default 0 */
  readonly bipolar?: number;
}

/** The attributes that give levels of this encoding. */
export function thresholdAttributes({ kind, zeroPoints: [zeroPoint] = [0] }: Encoding): ThresholdAttributes {
  if (kind === 'bipolar') return { bipolar: 1 };
  return zeroPoint === 0 ? {} : { zeroPoint: zeroPoint! };
}

export const threshold = defineOp({
  name: 'threshold',
  inputs: ['x', 'up', 'down?'],
  outputs: ['levels'],
  infer([x, up, down]: InputTypes, { zeroPoint = 0, bipolar = 0 }: ThresholdAttributes) {
    if (x!.dtype !== 'i32' || x!.shape.length === 0)
      throw new SubbitError(`needs i32 accumulators, not ${describe(x!)}`);
    const channels = channelsOf(x!.shape);
    for (const type of down ? [up!, down] : [up!]) {
      const fits = type.dtype === 'i32' && type.shape.length === 2 && type.shape[1] === channels;
      if (!fits || type.shape[0] !== up!.shape[0])
        throw new SubbitError(`the thresholds ${describe(type)} do not fit ${channels} channels`);
    }
    const max = up!.shape[0]!;
    if (zeroPoint > max || (bipolar === 1 && zeroPoint !== 0))
      throw new SubbitError(`levels up to ${max} cannot have the zero point ${zeroPoint}`);
    const kind = bipolar === 1 ? 'bipolar' : 'levels';
    const zeroPoints = zeroPoint === 0 ? {} : { zeroPoints: [zeroPoint] };
    return [quantized(x!.shape, { kind, max, step: 1 / max, ...zeroPoints })];
  },
  params: { rows: 'i32', channels: 'i32', levels: 'i32' },
  pack: ([x, up]) => ({
    rows: sizeOf(x!.shape) / channelsOf(x!.shape),
    channels: channelsOf(x!.shape),
    levels: up!.shape[0]!,
  }),
  reference({ x, up, down, levels }, p) {
    for (let i = 0; i < p.rows * p.channels; i++) {
      levels![i] = levelOf(x![i]!, up!, down, i % p.channels, p.channels, p.levels);
    }
  },
});

/** The level of one accumulator; `up` and `down` are [levels, channels]. */
export function levelOf(
  x: number,
  up: TypedArray,
  down: TypedArray | undefined,
  channel: number,
  channels: number,
  levels: number,
): number {
  let level = 0;
  for (let j = 0; j < levels; j++) {
    if (x >= up[j * channels + channel]!) level++;
    if (down && x <= down[j * channels + channel]!) level++;
  }
  return level;
}
