/**
 * The n sign patterns that lie nearest to a layer's real filters: the sub-codebook U of least
 *
 *     sum over filters w of  min over u in U of  cost(w, u),      cost = sum of |w_t| where the signs differ
 *
 * which is (||u - w||^2 - ||sign w - w||^2) / 4, so it is k-means with sign patterns as centres, and since there are only 512 of
 * them, k-medoids: begun greedily and mended by the best exchange as long as one helps (PAM of Kaufman and Rousseeuw). Lloyd's iteration, in
 * its place, hardly leaves where it begins: the majority of a cluster's signs is nearly always its centre.
 *
 * Filters of one sign pattern move together, which makes 512 clients of any number of filters.
 */
import { codewordTaps, numCodewords } from '../ops/codewords.js';

/** `magnitudes` [512, 9]: for each sign pattern the sums of |w_t| over its filters. Ids in the order of their choice. */
export function kMedoids(magnitudes: Float64Array, n: number): number[] {
  const costs = costsOf(magnitudes);
  return exchanged(costs, greedy(costs, n), totalOf(magnitudes) * smallestGain);
}

/** The same from codewords that are there: exchanges only, each of which gains at least a share of all magnitudes. */
export function nearerCodewords(magnitudes: Float64Array, ids: readonly number[], leastGain: number): number[] {
  return exchanged(costsOf(magnitudes), ids, totalOf(magnitudes) * Math.max(leastGain, smallestGain));
}

/** Gains below this share of all magnitudes are rounding: two equal codebooks could take turns for ever. */
const smallestGain = 1e-9;

const totalOf = (magnitudes: Float64Array): number => magnitudes.reduce((sum, each) => sum + each, 0);

function exchanged(costs: Float64Array, from: readonly number[], leastGain: number): number[] {
  const ids = [...from];
  for (;;) {
    const found = bestExchange(costs, ids, leastGain);
    if (found === undefined) return ids;
    ids[found.position] = found.id;
  }
}

/** [patterns, codewords]: what it costs that the filters of a pattern become the codeword. */
function costsOf(magnitudes: Float64Array): Float64Array {
  const costs = new Float64Array(numCodewords * numCodewords);
  // By the bits that differ: the sum without the lowest of them, and that one's magnitude.
  const sums = new Float64Array(numCodewords);
  for (let pattern = 0; pattern < numCodewords; pattern++) {
    for (let bits = 1; bits < numCodewords; bits++) {
      const tap = codewordTaps - 1 - Math.log2(bits & -bits);
      sums[bits] = sums[bits & (bits - 1)]! + magnitudes[pattern * codewordTaps + tap]!;
    }
    for (let bits = 0; bits < numCodewords; bits++) costs[pattern * numCodewords + (pattern ^ bits)] = sums[bits]!;
  }
  return costs;
}

/** One after the other the codeword that lessens the cost most, of equals the lowest id. */
function greedy(costs: Float64Array, n: number): number[] {
  const ids: number[] = [];
  const least = new Float64Array(numCodewords).fill(Number.POSITIVE_INFINITY);
  while (ids.length < n) {
    let best = -1;
    let bestCost = Number.POSITIVE_INFINITY;
    for (let id = 0; id < numCodewords; id++) {
      if (ids.includes(id)) continue;
      let cost = 0;
      for (let p = 0; p < numCodewords; p++) cost += Math.min(least[p]!, costs[p * numCodewords + id]!);
      if (cost < bestCost) [best, bestCost] = [id, cost];
    }
    ids.push(best);
    for (let p = 0; p < numCodewords; p++) least[p] = Math.min(least[p]!, costs[p * numCodewords + best]!);
  }
  return ids;
}

/** The codeword that should take the place of that at a position; undefined when none lessens the cost by more than `leastGain`. */
function bestExchange(
  costs: Float64Array,
  ids: readonly number[],
  leastGain: number,
): { id: number; position: number } | undefined {
  // Of each pattern the position of its nearest codeword, and the costs of that one and of the next.
  const nearest = new Int32Array(numCodewords);
  const first = new Float64Array(numCodewords).fill(Number.POSITIVE_INFINITY);
  const second = new Float64Array(numCodewords).fill(Number.POSITIVE_INFINITY);
  for (let p = 0; p < numCodewords; p++) {
    for (const [position, id] of ids.entries()) {
      const cost = costs[p * numCodewords + id]!;
      if (cost < first[p]!) {
        second[p] = first[p]!;
        first[p] = cost;
        nearest[p] = position;
      } else if (cost < second[p]!) second[p] = cost;
    }
  }
  let found: { id: number; position: number } | undefined;
  let bestGain = leastGain;
  const ownGain = new Float64Array(ids.length);
  for (let id = 0; id < numCodewords; id++) {
    if (ids.includes(id)) continue;
    // What patterns gain that come to the new codeword, whichever goes; and for each that goes, what its own patterns lose.
    let gain = 0;
    ownGain.fill(0);
    for (let p = 0; p < numCodewords; p++) {
      const cost = costs[p * numCodewords + id]!;
      const coming = Math.max(first[p]! - cost, 0);
      gain += coming;
      ownGain[nearest[p]!]! -= Math.min(second[p]!, cost) - first[p]! + coming;
    }
    for (const [position, own] of ownGain.entries()) {
      if (gain + own > bestGain) {
        bestGain = gain + own;
        found = { id, position };
      }
    }
  }
  return found;
}
