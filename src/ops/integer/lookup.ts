/**
 * Levels of levels by table: what a convolution with one weight per channel and the thresholds behind it do to a byte, such as the
 * quantizer that a network puts in front of its image. One load in the place of up to 255 comparisons.
 * Table [256, channels].
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, type Encoding, quantized, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { channelsOf } from '../elementwise/elementwise.js';

export const tableEntries = 256;

export interface LookupAttributes {
  /** Of the result; every entry of the table is one of its levels. */
  readonly encoding: Encoding;
}

export const lookup = defineOp({
  name: 'lookup',
  inputs: ['x', 'table'],
  outputs: ['levels'],
  infer([x, table]: InputTypes, { encoding }: LookupAttributes) {
    if (x!.dtype !== 'u8' || x!.shape.length === 0) throw new SubbitError(`needs levels, not ${describe(x!)}`);
    const channels = channelsOf(x!.shape);
    if (table!.dtype !== 'u8' || table!.shape.join() !== `${tableEntries},${channels}`)
      throw new SubbitError(
        `the table ${describe(table!)} is not ${tableEntries} levels for each of ${channels} channels`,
      );
    return [quantized(x!.shape, encoding)];
  },
  params: { rows: 'i32', channels: 'i32' },
  pack: ([x]) => ({ rows: sizeOf(x!.shape) / channelsOf(x!.shape), channels: channelsOf(x!.shape) }),
  reference({ x, table, levels }, p) {
    for (let i = 0; i < p.rows * p.channels; i++) levels![i] = table![x![i]! * p.channels + (i % p.channels)]!;
  },
});
