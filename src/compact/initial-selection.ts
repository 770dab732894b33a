/** What selection begins with when a network starts from a trained one: sub-codebooks from that one's filters. */
import type { Graph } from '../core/graph.js';
import { filtersByCodebook, magnitudesOf } from '../nn/codebook-filters.js';
import { kMedoids } from '../nn/k-medoids.js';
import { patternsOf } from '../nn/quantizers/codebook.js';
import { logitsOf, type Selection, selectionNames } from '../nn/selection.js';
import { codewordIds, codewordTaps, numCodewords } from '../ops/codewords.js';
import type { Checkpoint, CheckpointTensor } from '../train/checkpoint.js';
import { patternStatistics } from './pattern-statistics.js';
import { kMeans, mostFrequent } from './subsets.js';

/**
 * Tensors for the variables of every sub-codebook of `graph`, a training graph, from the filters in `trained`: its ids as the selection
 * starts, and logits or patterns that choose these ids. A sub-codebook that `trained` already has in this size stays.
 */
export function initialSelection(
  graph: Graph,
  { codewords, start }: Selection,
  trained: Checkpoint['tensors'],
): Record<string, CheckpointTensor> {
  const idsOf = (name: string, filters: readonly string[]): ArrayLike<number> => {
    const own = trained[name];
    if (own?.data.length === codewords) return own.data;
    if (start === 'random') {
      // As a training from scratch draws them.
      const drawn = new Int32Array(codewords);
      graph.variables.get(name)!.initialize(drawn);
      return drawn;
    }
    if (start === 'k-medoids') return kMedoids(magnitudesOf(filters.map((name) => trained[name]!)), codewords);
    return (start === 'k-means' ? kMeans : mostFrequent)(countsOf(filters, trained), codewords);
  };
  const tensors: Record<string, CheckpointTensor> = {};
  for (const [name, filters] of filtersByCodebook(graph)) {
    const ids = idsOf(name, filters);
    const names = selectionNames(name.slice(0, name.lastIndexOf('/')));
    const contents: Readonly<Record<string, CheckpointTensor>> = {
      [names.ids]: { shape: [codewords], data: Int32Array.from(ids) },
      [names.duals]: { shape: [numCodewords], data: new Float32Array(numCodewords) },
      [names.logits]: { shape: [numCodewords, numCodewords], data: logitsOf(ids) },
      [names.patterns]: { shape: [codewords, codewordTaps], data: patternsOf(ids) },
    };
    for (const [each, tensor] of Object.entries(contents)) if (graph.variables.has(each)) tensors[each] = tensor;
  }
  return tensors;
}

/** How often each codeword occurs in the filters. */
function countsOf(filters: readonly string[], trained: Checkpoint['tensors']): number[] {
  const counts = Array<number>(numCodewords).fill(0);
  for (const name of filters) {
    const { data, shape } = trained[name]!;
    for (const [id, count] of patternStatistics(codewordIds(data, shape)).counts.entries()) counts[id]! += count;
  }
  return counts;
}
