/**
 * Batch normalisation over all axes but the last (Ioffe and Szegedy 2015), in the pieces that training needs.
 *
 *     batch-statistics            mean, variance (biased) of the batch
 *     batch-normalize             y = (x - mean) * scale + beta,  scale = gamma / sqrt(variance + epsilon)
 *     update-running-statistics   running = kept * running + (1 - kept) * batch, variance unbiased (as PyTorch)
 *     batch-norm-gradient-sums    dGamma = sum dy xHat, dBeta = sum dy
 *     batch-norm-gradient         dx = scale * (dy - dBeta / M - xHat * dGamma / M),  M rows
 *
 * xHat = (x - mean) / sqrt(variance + epsilon). Evaluation is batch-normalize with the running statistics. The per-element
 * arithmetic is rounded to float32 in the order written; sums go in chunks of rows in a fixed order.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, real, type Shape, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { channelsOf, requireReal, requireSameShape, rowsPerChunk } from '../elementwise/elementwise.js';
import { realNumbers, requireScaled, scaledOf } from '../elementwise/scaled.js';

export interface BatchNormAttributes {
  readonly epsilon: number;
}

const rowsOf = (shape: Shape): number => sizeOf(shape) / channelsOf(shape);

function requirePerChannel(x: Shape, types: InputTypes): void {
  for (const type of types) {
    requireReal(type!);
    if (type!.shape.join() !== String(channelsOf(x))) {
      throw new SubbitError(`needs one number per channel (${channelsOf(x)}), not ${describe(type!)}`);
    }
  }
}

/** Whether batch-normalize has statistics of x, rather than 0 and 1: arithmetic per channel is a batch norm without them. */
export function hasStatistics(mean: ArrayLike<number>, variance: ArrayLike<number>, epsilon: number): boolean {
  return (
    epsilon !== 0 || Array.from(mean).some((each) => each !== 0) || Array.from(variance).some((each) => each !== 1)
  );
}

/** fround(1 / fround(sqrt(fround(variance + epsilon)))) */
function inverseDeviation(variance: number, epsilon: number): number {
  return Math.fround(1 / Math.fround(Math.sqrt(Math.fround(variance + epsilon))));
}

/** x is real, or integers with their scale (elementwise/scaled.ts). */
export const batchStatistics = defineOp({
  name: 'batch-statistics',
  inputs: ['x', 'xScale?'],
  outputs: ['mean', 'variance'],
  infer([x, xScale]: InputTypes, _: Record<string, never>) {
    requireScaled('x', [x, xScale]);
    return [real([channelsOf(x!.shape)]), real([channelsOf(x!.shape)])];
  },
  params: {
    rows: 'i32',
    channels: 'i32',
    samples: 'i32',
    xKind: 'i32',
    xStep: 'f32',
    xScaleCount: 'i32',
    /** Of integers: a bound of their absolute values. */
    xMax: 'i32',
  },
  pack([x, xScale]) {
    const { kind, step, scaleCount } = scaledOf(x!, xScale);
    const { shape } = x!;
    return {
      rows: rowsOf(shape),
      channels: channelsOf(shape),
      samples: shape.length > 1 ? shape[0]! : 1,
      xKind: kind,
      xStep: step,
      xScaleCount: scaleCount,
      xMax: x!.encoding?.max ?? 0,
    };
  },
  /** Mean and sum of squared deviations per chunk of rows, merged in order. */
  scratchBytes: (p) => 2 * Math.ceil(p.rows / rowsPerChunk) * p.channels * Float64Array.BYTES_PER_ELEMENT,
  reference({ x: stored, xScale, mean, variance }, p) {
    const scaled = { kind: p.xKind, step: p.xStep, scaleCount: p.xScaleCount };
    const x = realNumbers(stored!, xScale, scaled, p.samples);
    for (let c = 0; c < p.channels; c++) {
      let sum = 0;
      for (let row = 0; row < p.rows; row++) sum += x[row * p.channels + c]!;
      const average = sum / p.rows;
      let squares = 0;
      for (let row = 0; row < p.rows; row++) squares += (x[row * p.channels + c]! - average) ** 2;
      mean![c] = average;
      variance![c] = squares / p.rows;
    }
  },
});

export const batchNormalize = defineOp({
  name: 'batch-normalize',
  inputs: ['x', 'mean', 'variance', 'gamma', 'beta'],
  outputs: ['y'],
  infer([x, ...perChannel]: InputTypes, _: BatchNormAttributes) {
    requireReal(x!);
    requirePerChannel(x!.shape, perChannel);
    return [x!];
  },
  params: { rows: 'i32', channels: 'i32', epsilon: 'f32' },
  pack: ([x], { epsilon }) => ({
    rows: rowsOf(x!.shape),
    channels: channelsOf(x!.shape),
    epsilon: Math.fround(epsilon),
  }),
  reference({ x, mean, variance, gamma, beta, y }, p) {
    for (let i = 0; i < p.rows * p.channels; i++) {
      const c = i % p.channels;
      const scale = Math.fround(gamma![c]! * inverseDeviation(variance![c]!, p.epsilon));
      y![i] = Math.fround(Math.fround(x![i]! - mean![c]!) * scale) + beta![c]!;
    }
  },
});

export const updateRunningStatistics = defineOp({
  name: 'update-running-statistics',
  inputs: ['runningMean', 'runningVariance', 'mean', 'variance'],
  outputs: [],
  mutates: ['runningMean', 'runningVariance'],
  /** `kept` is the share of the old value that stays; `rows` the number of elements behind each statistic. */
  infer(types: InputTypes, _: { readonly kept: number; readonly rows: number }) {
    requireSameShape(types);
    return [];
  },
  params: { channels: 'i32', kept: 'f32', added: 'f32', unbias: 'f32' },
  pack: ([running], { kept, rows }) => ({
    channels: sizeOf(running!.shape),
    kept: Math.fround(kept),
    added: Math.fround(1 - kept),
    unbias: Math.fround(rows / Math.max(1, rows - 1)),
  }),
  reference({ runningMean, runningVariance, mean, variance }, p) {
    for (let c = 0; c < p.channels; c++) {
      runningMean![c] = Math.fround(p.kept * runningMean![c]!) + Math.fround(p.added * mean![c]!);
      const unbiased = Math.fround(p.unbias * variance![c]!);
      runningVariance![c] = Math.fround(p.kept * runningVariance![c]!) + Math.fround(p.added * unbiased);
    }
  },
});

export const batchNormGradientSums = defineOp({
  name: 'batch-norm-gradient-sums',
  inputs: ['x', 'dy', 'mean', 'variance'],
  outputs: ['dGamma', 'dBeta'],
  infer([x, dy, ...perChannel]: InputTypes, _: BatchNormAttributes) {
    requireSameShape([x, dy]);
    requirePerChannel(x!.shape, perChannel);
    return [real([channelsOf(x!.shape)]), real([channelsOf(x!.shape)])];
  },
  params: { rows: 'i32', channels: 'i32', epsilon: 'f32' },
  pack: ([x], { epsilon }) => ({
    rows: rowsOf(x!.shape),
    channels: channelsOf(x!.shape),
    epsilon: Math.fround(epsilon),
  }),
  scratchBytes: (p) => 2 * Math.ceil(p.rows / rowsPerChunk) * p.channels * Float64Array.BYTES_PER_ELEMENT,
  reference({ x, dy, mean, variance, dGamma, dBeta }, p) {
    for (let c = 0; c < p.channels; c++) {
      let products = 0;
      let sum = 0;
      for (let row = 0; row < p.rows; row++) {
        const i = row * p.channels + c;
        products += Math.fround(x![i]! - mean![c]!) * dy![i]!;
        sum += dy![i]!;
      }
      dGamma![c] = products * inverseDeviation(variance![c]!, p.epsilon);
      dBeta![c] = sum;
    }
  },
});

export const batchNormGradient = defineOp({
  name: 'batch-norm-gradient',
  inputs: ['x', 'dy', 'mean', 'variance', 'gamma', 'dGamma', 'dBeta'],
  outputs: ['dx'],
  infer([x, dy, ...perChannel]: InputTypes, _: BatchNormAttributes) {
    requireSameShape([x, dy]);
    requirePerChannel(x!.shape, perChannel);
    return [x!];
  },
  params: { rows: 'i32', channels: 'i32', epsilon: 'f32' },
  pack: ([x], { epsilon }) => ({
    rows: rowsOf(x!.shape),
    channels: channelsOf(x!.shape),
    epsilon: Math.fround(epsilon),
  }),
  reference({ x, dy, mean, variance, gamma, dGamma, dBeta, dx }, p) {
    for (let i = 0; i < p.rows * p.channels; i++) {
      const c = i % p.channels;
      const inverse = inverseDeviation(variance![c]!, p.epsilon);
      const scale = Math.fround(gamma![c]! * inverse);
      const slope = Math.fround(Math.fround(dGamma![c]! / p.rows) * inverse);
      const offset = Math.fround(dBeta![c]! / p.rows);
      const centred = Math.fround(x![i]! - mean![c]!);
      dx![i] = Math.fround(Math.fround(dy![i]! - offset) - Math.fround(centred * slope)) * scale;
    }
  },
});
