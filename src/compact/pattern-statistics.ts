/**
 * How the 3x3 filters of a layer are spread over the 512 sign patterns, the *codewords* (Sparks, figure 1: nearly a power law).
 *
 * `rank` counts codewords by use, the most used one first; ties go to the lower id.
 */
import { codewordTaps, isPositive, numCodewords } from '../ops/codewords.js';

export interface PatternStatistics {
  /** Filters in the layer: input times output channels. */
  readonly filters: number;
  /** How often each codeword occurs, by id. */
  readonly counts: readonly number[];
  /** Ids by use, those that occur. */
  readonly ranking: readonly number[];
  /** Share of filters that the most used n codewords cover: coverage[n - 1]. */
  readonly coverage: readonly number[];
  /** Of the distribution over codewords, per weight: 1 where all 512 occur alike. */
  readonly entropyBitsPerWeight: number;
  /** count ~ rank^-exponent, fitted on logarithms over the codewords that occur; undefined where fewer than three do. */
  readonly powerLaw?: { readonly exponent: number; readonly amplitude: number; readonly r2: number };
}

export function patternStatistics(ids: ArrayLike<number>): PatternStatistics {
  const counts = Array<number>(numCodewords).fill(0);
  for (let i = 0; i < ids.length; i++) counts[ids[i]!] = counts[ids[i]!]! + 1;
  const ranking = counts
    .map((_, id) => id)
    .filter((id) => counts[id]! > 0)
    .sort((a, b) => counts[b]! - counts[a]! || a - b);
  let covered = 0;
  let entropy = 0;
  const coverage = Array.from({ length: numCodewords }, (_, i) => {
    covered += i < ranking.length ? counts[ranking[i]!]! : 0;
    return covered / ids.length;
  });
  for (const id of ranking) entropy -= (counts[id]! / ids.length) * Math.log2(counts[id]! / ids.length);
  const powerLaw = fitPowerLaw(ranking.map((id) => counts[id]!));
  return {
    ...{ filters: ids.length, counts, ranking, coverage },
    entropyBitsPerWeight: entropy / codewordTaps,
    ...(powerLaw === undefined ? {} : { powerLaw }),
  };
}

/** Least squares of log count over log rank; `counts` by rank. */
function fitPowerLaw(counts: readonly number[]): PatternStatistics['powerLaw'] {
  if (counts.length < 3) return undefined;
  if (counts[0] === counts.at(-1)) return { exponent: 0, amplitude: counts[0]!, r2: 1 };
  const points = counts.map((count, i) => [Math.log(i + 1), Math.log(count)] as const);
  const mean = (axis: 0 | 1): number => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  let [xx, xy, yy] = [0, 0, 0];
  for (const point of points) {
    xx += (point[0] - x) ** 2;
    xy += (point[0] - x) * (point[1] - y);
    yy += (point[1] - y) ** 2;
  }
  const slope = xy / xx;
  return { exponent: -slope, amplitude: Math.exp(y - slope * x), r2: xy ** 2 / (xx * yy) };
}

/** The signs of a codeword, -1 or +1, row by row. */
export function signsOf(id: number): number[] {
  return Array.from({ length: codewordTaps }, (_, tap) => (isPositive(id, tap) ? 1 : -1));
}
