/**
 * Thresholds as one multiplication and addition, where that gives the same levels: for many levels it is faster than comparing.
 *
 *     level = round(acc * slope + intercept), clamped          (linearLevel, each operation rounded to float32)
 *
 * rises with acc (rounding is monotone), so it equals the thresholds everywhere when it does at each threshold and right
 * before it. A slope and an intercept between the bounds that the thresholds set are tried; when one threshold of one channel
 * is missed, the answer is no.
 */
import { neverDown, neverUp } from '../integer/threshold.js';
import { linearLevel } from './packed-conv2d.js';

/** With fewer levels comparing is as fast. */
const fewestLevels = 4;

/**
 * f32 [2, channels], slopes and intercepts, for thresholds [levels, channels]; `down` makes it a function of the absolute value.
 * Undefined when there is none, or comparing is as good.
 */
export function linearFit(up: Int32Array, down: Int32Array | undefined, channels: number): Float32Array | undefined {
  const levels = up.length / channels;
  if (levels < fewestLevels || down !== undefined) return undefined;
  const fit = new Float32Array(2 * channels);
  const steps = new Array<number>(levels);
  for (let c = 0; c < channels; c++) {
    for (let j = 0; j < levels; j++) steps[j] = up[j * channels + c]!;
    const line = lineThrough(steps);
    if (line === undefined) return undefined;
    [fit[c], fit[channels + c]] = line;
  }
  return fit;
}

/** Slope and intercept of one channel. */
function lineThrough(steps: readonly number[]): [number, number] | undefined {
  const levels = steps.length;
  const reached = steps.filter((step) => step !== neverUp && step !== neverDown);
  if (reached.length === 0) return [0, steps.filter((step) => step === neverDown).length];
  if (reached.length !== levels) return undefined;
  const [first, last] = [steps[0]!, steps[levels - 1]!];
  if (first === last) return undefined;
  for (const span of [last - first, last - first + 0.5, last - first - 0.5]) {
    const slope = Math.fround((levels - 1) / span);
    // level j + 1 begins at steps[j]: slope * steps[j] + intercept >= j + 1/2 > slope * (steps[j] - 1) + intercept.
    let lowest = Number.NEGATIVE_INFINITY;
    let highest = Number.POSITIVE_INFINITY;
    for (const [j, step] of steps.entries()) {
      lowest = Math.max(lowest, j + 0.5 - slope * step);
      highest = Math.min(highest, j + 0.5 - slope * (step - 1));
    }
    const intercept = Math.fround((lowest + highest) / 2);
    if (lowest <= highest && steps.every((step, j) => isStep(step, j, slope, intercept, levels)))
      return [slope, intercept];
  }
  return undefined;
}

/** Whether the level passes j at `step` and not before. */
function isStep(step: number, j: number, slope: number, intercept: number, levels: number): boolean {
  const level = (acc: number): number => linearLevel(acc, slope, intercept, false, levels);
  return level(step) > j && level(step - 1) <= j;
}
