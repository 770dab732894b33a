/**
 * Ternary weights with one scale (Ternary Weight Networks, Li et al. 2016):
 *
 *     threshold = 0.7 mean|W|       W_t = scale * sign(W) where |W| > threshold, else 0       scale = mean|W| of those above
 *
 * over the layer. The gradient goes to W as it is, none through threshold and scale. Learned scales of its own for each sign (TTQ, papers
 * 3.9) would leave no integers times a scale, and no kernels for them. Levels of 2 bits about the zero at 2, as LSQ's, so that
 * the same kernels multiply; the lowest is never used.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, quantized, real, sizeOf, type TensorType } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { requireReal } from '../elementwise/elementwise.js';

/** kThresholdShare in ternary.cc */
export const thresholdShare = 0.7;

function requireMean(mean: TensorType): void {
  if (sizeOf(mean.shape) !== 1) throw new SubbitError(`needs the mean of |x|, not ${describe(mean)}`);
}

/** x, mean|x| [1] -> scale [1] */
export const ternaryScale = defineOp({
  name: 'ternary-scale',
  inputs: ['x', 'mean'],
  outputs: ['scale'],
  infer([x, mean]: InputTypes, _: Record<string, never>) {
    requireReal(x!);
    requireMean(mean!);
    return [real([1])];
  },
  params: { count: 'i32' },
  pack: ([x]) => ({ count: sizeOf(x!.shape) }),
  reference({ x, mean, scale }, p) {
    const threshold = Math.fround(mean![0]! * thresholdShare);
    let [sum, above] = [0, 0];
    for (let i = 0; i < p.count; i++) {
      const size = Math.abs(x![i]!);
      if (!(size > threshold)) continue;
      sum += size;
      above++;
    }
    scale![0] = above === 0 ? 0 : sum / above;
  },
});

/** x, mean|x| [1] -> levels */
export const quantizeTernary = defineOp({
  name: 'quantize-ternary',
  inputs: ['x', 'mean'],
  outputs: ['levels'],
  infer([x, mean]: InputTypes, _: Record<string, never>) {
    requireReal(x!);
    requireMean(mean!);
    return [quantized(x!.shape, { kind: 'levels', max: 3, step: 1, zeroPoints: [2] })];
  },
  params: { count: 'i32' },
  pack: ([x]) => ({ count: sizeOf(x!.shape) }),
  reference({ x, mean, levels }, p) {
    const threshold = Math.fround(mean![0]! * thresholdShare);
    for (let i = 0; i < p.count; i++) levels![i] = 2 + (x![i]! > threshold ? 1 : 0) - (x![i]! < -threshold ? 1 : 0);
  },
});
