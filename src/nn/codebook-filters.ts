/** The filters that a sub-codebook serves, and what their signs count for. */
import type { Graph } from '../core/graph.js';
import { codewordIds, codewordTaps, numCodewords } from '../ops/codewords.js';
import { groupFilters } from '../ops/selection/group-filters.js';
import { storageOf } from '../passes/plan-memory.js';

/** Names of the filters that each sub-codebook of a training graph serves, by the name of its ids. */
export function filtersByCodebook(graph: Graph): Map<string, string[]> {
  const served = new Map<string, string[]>();
  for (const { op, inputs } of graph.nodes) {
    if (op !== groupFilters) continue;
    const [filter, ids] = inputs.map((value) => storageOf(value!).name) as [string, string];
    served.set(ids, [...(served.get(ids) ?? []), filter]);
  }
  return served;
}

/** For each sign pattern the sums of |w| by tap over the filters that have it, [512, 9]. */
export function magnitudesOf(
  filters: readonly { readonly shape: readonly number[]; readonly data: ArrayLike<number> }[],
): Float64Array {
  const sums = new Float64Array(numCodewords * codewordTaps);
  for (const { data, shape } of filters) {
    const ids = codewordIds(data, shape);
    for (let tap = 0; tap < codewordTaps; tap++) {
      for (const [i, id] of ids.entries()) {
        const at = id * codewordTaps + tap;
        sums[at] = sums[at]! + Math.abs(data[tap * ids.length + i]!);
      }
    }
  }
  return sums;
}
