/** A float filter as 16-bit integers with one scale; fewer bits where the accumulator's static bound below 2^31 asks for it. */
import type { Tensor } from '../core/run-op.js';
import { integer } from '../core/tensor.js';

export interface RoundedFilter {
  readonly filter: Tensor;
  /** The largest integer. */
  readonly max: number;
  /** Root of the mean square of the rounding error, relative to that of the weights. */
  readonly relativeError: number;
}

/** `terms` products of a weight and an integer up to `largestInput` go into one accumulator. */
export function roundFilter({ type, data }: Tensor, terms: number, largestInput: number): RoundedFilter {
  const max = Math.min(32767, Math.floor((2 ** 31 - 1) / (terms * largestInput)));
  let largest = 0;
  for (const weight of data) largest = Math.max(largest, Math.abs(weight));
  const step = Math.fround(largest > 0 ? largest / max : 1);
  const rounded = Int16Array.from(data, (weight) => Math.max(-max, Math.min(max, Math.round(weight / step))));
  let error = 0;
  let power = 0;
  for (let i = 0; i < data.length; i++) {
    error += (rounded[i]! * step - data[i]!) ** 2;
    power += data[i]! ** 2;
  }
  const filter = { type: integer(type.shape, max, { dtype: 'i16', step }), data: rounded };
  return { filter, max, relativeError: power > 0 ? Math.sqrt(error / power) : 0 };
}
