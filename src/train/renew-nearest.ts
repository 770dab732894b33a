/**
 * Selection by exchanges: sub-codebooks become the sign patterns nearest to the filters as training has made them (k-medoids.ts). Where a
 * codeword has the wrong sign for a filter, the straight-through gradient keeps pushing that weight away from it, so that its
 * magnitude tells what the sign is worth.
 */
import { magnitudesOf } from '../nn/codebook-filters.js';
import { nearerCodewords } from '../nn/k-medoids.js';
import type { CheckpointTensor } from './checkpoint.js';

/** Share of a layer's magnitudes that an exchange must gain: filters that the exchange moves disturb those behind them. */
const leastGain = 5e-4;

/** Writes new ids into the tensors of the sub-codebooks; `served` has for the name of each the names of its filters. */
export function renewNearest(
  tensors: ReadonlyMap<string, CheckpointTensor>,
  served: ReadonlyMap<string, readonly string[]>,
): void {
  for (const [name, filters] of served) {
    const ids = tensors.get(name)!.data;
    ids.set(nearerCodewords(magnitudesOf(filters.map((each) => tensors.get(each)!)), Array.from(ids), leastGain));
  }
}
