/**
 * Thresholds with the help of a line, acc * slope + intercept in float32: for many levels that is faster than comparing with all.
 *
 *     linear    level = round(line), clamped, where that gives the same levels
 *     guided    guess = floor(line), clamped to 0 .. levels - 1;  level = guess + (acc >= up[guess])
 *
 * The line rises with acc (rounding is monotone), so either equals the thresholds everywhere when it does at each threshold,
 * right before it, and at both ends. `linear` must meet every threshold to the integer, which float32 does for few levels;
 * `guided` may err by almost half a level. When one channel fails, the answer is no.
 */
import { roundHalfEven } from '../quantize/rounding.js';
import { lineAt } from './packed-conv2d.js';

/** With fewer levels comparing is as fast as `linear`, and as `guided`. */
const fewestLinear = 4;
const fewestGuided = 16;

/**
 * f32 [2, channels], slopes and intercepts, for thresholds [levels, channels], |acc| <= `bound`. Undefined when there is none, or
 * comparing is as good.
 */
export function linearFit(up: Int32Array, channels: number, bound: number): Float32Array | undefined {
  const levels = up.length / channels;
  if (levels < fewestLinear) return undefined;
  const fit = new Float32Array(2 * channels);
  const steps = new Array<number>(levels);
  for (let c = 0; c < channels; c++) {
    for (let j = 0; j < levels; j++) steps[j] = up[j * channels + c]!;
    const line = lineThrough(steps, bound);
    if (line === undefined) return undefined;
    [fit[c], fit[channels + c]] = line;
  }
  return fit;
}

/** Slope and intercept of one channel. */
function lineThrough(steps: readonly number[], bound: number): [number, number] | undefined {
  const levels = steps.length;
  const reached = steps.filter((step) => step > -bound && step <= bound);
  if (reached.length === 0) return [0, steps.filter((step) => step <= -bound).length];
  if (reached.length !== levels) return undefined;
  const [first, last] = [steps[0]!, steps[levels - 1]!];
  if (first === last) return undefined;
  // How far apart the bounds of the intercept are is a concave function of the slope: the best slope leaves most room.
  let low = (levels - 1) / (last - first + 1);
  let high = (levels - 1) / Math.max(last - first - 1, 0.5);
  for (let i = 0; i < slopeSteps; i++) {
    const [a, b] = [low + (high - low) / 3, high - (high - low) / 3];
    if (room(interceptBounds(steps, a)) < room(interceptBounds(steps, b))) low = a;
    else high = b;
  }
  const slope = Math.fround((low + high) / 2);
  const bounds = interceptBounds(steps, slope);
  const intercept = Math.fround((bounds.lowest + bounds.highest) / 2);
  const isFit = room(bounds) >= 0 && steps.every((step, j) => isStep(step, j, slope, intercept, levels));
  return isFit ? [slope, intercept] : undefined;
}

/** Each leaves two thirds of the slopes: enough for all of float32's digits. */
const slopeSteps = 48;

interface Bounds {
  readonly lowest: number;
  readonly highest: number;
}

const room = ({ lowest, highest }: Bounds): number => highest - lowest;

/** Level j + 1 begins at steps[j]: slope * steps[j] + intercept >= j + 1/2 > slope * (steps[j] - 1) + intercept. */
function interceptBounds(steps: readonly number[], slope: number): Bounds {
  let lowest = Number.NEGATIVE_INFINITY;
  let highest = Number.POSITIVE_INFINITY;
  for (const [j, step] of steps.entries()) {
    lowest = Math.max(lowest, j + 0.5 - slope * step);
    highest = Math.min(highest, j + 0.5 - slope * (step - 1));
  }
  return { lowest, highest };
}

/** Whether the level passes j at `step` and not before. */
function isStep(step: number, j: number, slope: number, intercept: number, levels: number): boolean {
  const level = (acc: number): number => roundHalfEven(lineAt(acc, slope, intercept), levels);
  return level(step) > j && level(step - 1) <= j;
}

/**
 * The constants of `guided`, i32 [2 + levels, channels]: slopes and intercepts as bits of floats, then the thresholds
 * [levels, channels], rising. |acc| <= `bound`. Undefined when a line of some channel errs too much, or comparing is as good.
 */
export function guidedThresholds(up: Int32Array, channels: number, bound: number): Int32Array | undefined {
  const levels = up.length / channels;
  if (levels < fewestGuided) return undefined;
  const guided = new Int32Array(2 * channels + up.length);
  const lines = new Float32Array(guided.buffer, 0, 2 * channels);
  guided.set(up, 2 * channels);
  for (let c = 0; c < channels; c++) {
    const steps = Array.from({ length: levels }, (_, j) => up[j * channels + c]!);
    const [slope, intercept] = guessingLine(steps, bound);
    lines[c] = slope;
    lines[channels + c] = intercept;
    if (!guides(steps, lines[c]!, lines[channels + c]!, bound)) return undefined;
  }
  return guided;
}

/** Through the middles of the first and the last threshold that can be reached. */
function guessingLine(steps: readonly number[], bound: number): [number, number] {
  const first = steps.findIndex((step) => step > -bound);
  const last = steps.findLastIndex((step) => step <= bound);
  // Everything is above or below: the level does not change, or in one place only.
  if (first < 0) return [0, steps.length];
  if (last <= first || steps[last] === steps[first]) return [0, first];
  const slope = (last - first) / (steps[last]! - steps[first]!);
  return [slope, first + 0.5 - slope * steps[first]!];
}

/** Whether floor(line) is the level or the one below wherever it matters. */
function guides(steps: readonly number[], slope: number, intercept: number, bound: number): boolean {
  const holds = (acc: number, level: number): boolean => {
    const line = lineAt(acc, slope, intercept);
    const guess = Math.floor(Math.min(Math.max(line, 0), steps.length - 1));
    return guess === level || guess + 1 === level;
  };
  let level = 0;
  while (level < steps.length && steps[level]! <= -bound) level++;
  if (!holds(-bound, level)) return false;
  while (level < steps.length && steps[level]! <= bound) {
    const step = steps[level]!;
    if (!holds(step - 1, level)) return false;
    while (steps[level] === step) level++;
    if (!holds(step, level)) return false;
  }
  return holds(bound, level);
}
