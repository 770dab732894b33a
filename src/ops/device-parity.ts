/**
 * What a GPU's results may differ by from the reference's. Integers of integers not at all. Float arithmetic there is looser (core/wgsl.ts), and
 * how much of that reaches a result depends on the op and on the numbers, so it is measured: the reference runs again with each float input a
 * little larger and a little smaller, by a few units in the last place, and what its results move by is what the GPU's may. A quantizer's level may be
 * another one exactly where such a change of an input makes it another one, next to a boundary.
 */
import { type CaseRun, evaluate, ulp } from '../core/op-case.js';
import type { TypedArray } from '../core/tensor.js';

/** Between which numbers each element must be. */
export interface Range {
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** Relative change of an input. */
const change = 16 * ulp;
/** Of what a change moves a float by, so much is allowed. */
const slack = 2;
/** Below the smallest normal float a GPU may see 0. */
const smallestNormal = 2 ** -126;
/** What that leaves of a result at most: on the way to it, too, and there may be a factor behind it, such as 1 / temperature. */
const smallestResult = smallestNormal * 2 ** 14;

/** By result slot. `bounds` are the case's own, for sums whose order is free. */
export function deviceRangesOf(
  run: CaseRun,
  bounds: Readonly<Record<string, ArrayLike<number>>>,
): Record<string, Range> {
  // A sum of floats in any order has a bound of its own; the rest is measured.
  const { parity } = run;
  const isBounded = parity !== 'exact' && Object.keys(run.results).every((slot) => parity[slot]?.isOfFloats);
  const measured = isBounded ? [] : [...run.inputs.entries()];
  const changed = measured.flatMap(([slot, data]) =>
    data instanceof Float32Array ? changedRuns(run, slot, data) : [],
  );
  return Object.fromEntries(
    Object.entries(run.results).map(([slot, expected]) => {
      const bound = bounds[slot];
      const isFloat = expected instanceof Float32Array;
      const low = new Float64Array(expected.length);
      const high = new Float64Array(expected.length);
      for (const [i, value] of expected.entries()) {
        const own = isFloat ? 8 * ulp * Math.abs(value) + smallestResult + 2 * (bound?.[i] ?? 0) : 0;
        let [down, up] = [0, 0];
        for (const results of changed) {
          const moved = results[slot]![i]! - value;
          down = Math.min(down, moved);
          up = Math.max(up, moved);
        }
        const factor = isFloat ? slack : 1;
        low[i] = value + factor * down - own;
        high[i] = value + factor * up + own;
      }
      return [slot, { low, high }];
    }),
  );
}

/**
 * The results with one input larger, smaller, and larger and smaller from one element to another (what a sum of many does not average out,
 * whatever the distance of its terms), and with its denormal numbers as zeros.
 */
function changedRuns(run: CaseRun, slot: number, data: Float32Array): Record<string, TypedArray>[] {
  /** 1 or -1, without a pattern. */
  const signOf = (i: number, bit: number): number => 1 - 2 * ((Math.imul(i + 1, 0x9e3779b1) >>> bit) & 1);
  const isDenormal = (x: number): boolean => x !== 0 && Math.abs(x) < smallestNormal;
  const changes: ((x: number, i: number) => number)[] = [
    (x) => x * (1 + change),
    (x) => x * (1 - change),
    ...[29, 30].flatMap((bit) =>
      [1, -1].map((sign) => (x: number, i: number) => x * (1 + sign * signOf(i, bit) * change)),
    ),
    ...(data.some(isDenormal) ? [(x: number) => (isDenormal(x) ? 0 : x)] : []),
  ];
  return changes.map((changed) => {
    const inputs = run.inputs.map((each, i) => (i === slot ? data.map(changed) : each));
    return evaluate(run.op, run.types, run.attributes, inputs);
  });
}
