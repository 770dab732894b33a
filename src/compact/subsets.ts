/**
 * Sub-codebooks from the filters of a trained binary network, by how often each sign pattern occurs in them: what selection begins with,
 * and what it is compared with.
 */
import { codewordTaps, isPositive, numCodewords } from '../ops/codewords.js';

/** The n codewords that occur most, the most frequent first; of equals the lower id. `counts` by id. */
export function mostFrequent(counts: readonly number[], n: number): number[] {
  return counts
    .map((_, id) => id)
    .sort((a, b) => counts[b]! - counts[a]! || a - b)
    .slice(0, n);
}

/** Lloyd's iteration ends by itself; this bounds it. */
const maxIterations = 100;

/**
 * k-means in sign space (product quantization of binary filters): every pattern goes to the nearest of n centres, every centre
 * becomes the majority of its filters' signs, until nothing moves. Begins with the most frequent codewords. A centre that another one has
 * become before it, or that no filter goes to, moves to the pattern whose filters are worst served.
 */
export function kMeans(counts: readonly number[], n: number): number[] {
  let centres = mostFrequent(counts, n);
  for (let iteration = 0; iteration < maxIterations; iteration++) {
    const moved = withoutRepetition(majorities(counts, centres), counts);
    if (moved.every((id, j) => id === centres[j])) break;
    centres = moved;
  }
  return centres;
}

/** The majority signs of each centre's filters; the centre's own where signs are balanced, and undefined without filters. */
function majorities(counts: readonly number[], centres: readonly number[]): (number | undefined)[] {
  const sums = centres.map(() => new Float64Array(codewordTaps));
  const members = centres.map(() => 0);
  for (const [id, count] of counts.entries()) {
    if (count === 0) continue;
    const j = nearestOf(centres, id);
    members[j]! += count;
    for (let tap = 0; tap < codewordTaps; tap++) sums[j]![tap]! += isPositive(id, tap) ? count : -count;
  }
  return centres.map((centre, j) => {
    if (members[j] === 0) return undefined;
    const isOne = (sum: number, tap: number): boolean => (sum === 0 ? isPositive(centre, tap) : sum > 0);
    return sums[j]!.reduce((id, sum, tap) => 2 * id + Number(isOne(sum, tap)), 0);
  });
}

function withoutRepetition(centres: readonly (number | undefined)[], counts: readonly number[]): number[] {
  const taken: number[] = [];
  const free: number[] = [];
  for (const [j, id] of centres.entries()) {
    if (id === undefined || taken.includes(id)) free.push(j);
    else taken[j] = id;
  }
  for (const j of free) {
    const present = taken.filter((id) => id !== undefined);
    const cost = (id: number): number => counts[id]! * distance(id, present[nearestOf(present, id)] ?? -1);
    let worst = -1;
    for (let id = 0; id < numCodewords; id++) {
      if (!present.includes(id) && (worst < 0 || cost(id) > cost(worst))) worst = id;
    }
    taken[j] = worst;
  }
  return taken;
}

/** The first of the nearest centres; 0 when there is none. */
function nearestOf(centres: readonly number[], id: number): number {
  let nearest = 0;
  for (let j = 1; j < centres.length; j++) {
    if (distance(centres[j]!, id) < distance(centres[nearest]!, id)) nearest = j;
  }
  return nearest;
}

/** In how many signs two codewords differ. */
function distance(a: number, b: number): number {
  let bits = (a ^ b) & (numCodewords - 1);
  let count = 0;
  for (; bits !== 0; bits &= bits - 1) count++;
  return count;
}
