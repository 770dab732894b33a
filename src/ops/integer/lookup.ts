/**
 * A function of levels by table: what a convolution with one weight per channel and the step behind it do to a byte. With thresholds,
 * such as the quantizer that a network puts in front of its image, they become levels; with a rescaling, where a residual stream begins
 * at levels, integers of the stream. One load in the place of up to 255 comparisons.
 * Table [256, channels].
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, type Encoding, integer, quantized, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { channelsOf } from '../elementwise/elementwise.js';

export const tableEntries = 256;

export interface LookupAttributes {
  /** Of the result; every entry of the table is one of its levels or integers. */
  readonly encoding: Encoding;
}

export const lookup = defineOp({
  name: 'lookup',
  inputs: ['x', 'table'],
  outputs: ['y'],
  infer([x, table]: InputTypes, { encoding }: LookupAttributes) {
    if (x!.dtype !== 'u8' || x!.shape.length === 0) throw new SubbitError(`needs levels, not ${describe(x!)}`);
    const channels = channelsOf(x!.shape);
    const isTable = table!.dtype === 'u8' || table!.dtype === 'i32';
    if (!isTable || table!.shape.join() !== `${tableEntries},${channels}`)
      throw new SubbitError(
        `the table ${describe(table!)} is not ${tableEntries} levels or i32 for each of ${channels} channels`,
      );
    return [table!.dtype === 'u8' ? quantized(x!.shape, encoding) : integer(x!.shape, encoding.max, encoding)];
  },
  params: { rows: 'i32', channels: 'i32', isByte: 'i32' },
  pack: ([x, table]) => ({
    rows: sizeOf(x!.shape) / channelsOf(x!.shape),
    channels: channelsOf(x!.shape),
    isByte: table!.dtype === 'u8' ? 1 : 0,
  }),
  reference({ x, table, y }, p) {
    for (let i = 0; i < p.rows * p.channels; i++) y![i] = table![x![i]! * p.channels + (i % p.channels)]!;
  },
});
