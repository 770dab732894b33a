import {
  type CaseInput,
  type CaseRun,
  normal,
  type OpCase,
  onAbsoluteValues,
  opCase,
  type Parity,
  realInput,
  rowSum,
  startingWith,
  uniform,
  values,
} from '../../core/op-case.js';
import type { TypedArray } from '../../core/tensor.js';
import { rowsPerChunk } from '../elementwise/elementwise.js';
import {
  batchNormalize,
  batchNormGradient,
  batchNormGradientSums,
  batchStatistics,
  updateRunningStatistics,
} from './batch-norm.js';

const epsilon = 1e-5;

/** [rows, channels]: one row, chunks that end around a row, channels around whole vectors. */
const shapes = [
  [1, 1],
  [2, 3],
  [5, 17],
  [rowsPerChunk - 1, 7],
  [rowsPerChunk, 16],
  [rowsPerChunk + 1, 3],
  [2 * rowsPerChunk + 1, 33],
  [5, 7, 11, 15],
  [1, 13, 1, 31],
];

/** One number per channel. */
const perChannel = (shape: readonly number[], content = normal()): CaseInput => realInput([shape.at(-1)!], content);
/** A variance of zero happens in a dead channel. */
const variances = startingWith([0.5, 0], uniform(0.01, 4));

/**
 * The variance sums squared deviations, and may take them from a mean that is as inexact as the mean's own bound: that adds
 * the square of the difference.
 */
const statisticsParity: Parity = {
  mean: (run) => rowSum(onAbsoluteValues(run).mean!),
  variance: (run) => {
    const meanErrors = rowSum(onAbsoluteValues(run).mean!);
    return rowSum(run.results.variance!).map((bound, c) => bound + 2 * meanErrors[c]! ** 2);
  },
};

/** The absolute values of the sum of (x - mean) dy come from |x - mean| with mean 0. */
function gradientSumMagnitudes(run: CaseRun): Record<string, TypedArray> {
  const [x, dy, mean, variance] = run.inputs;
  const centred = Float32Array.from(x!, (each, i) => Math.abs(each - mean![i % mean!.length]!));
  return onAbsoluteValues({ ...run, inputs: [centred, dy, mean!.slice().fill(0), variance] });
}

const gradientSumsParity: Parity = {
  dGamma: (run) => rowSum(gradientSumMagnitudes(run).dGamma!),
  dBeta: (run) => rowSum(gradientSumMagnitudes(run).dBeta!),
};

export const batchNormCases: readonly OpCase[] = [
  ...shapes.flatMap((shape) => {
    const name = `[${shape}]`;
    const x = realInput(shape);
    const dy = realInput(shape);
    const statistics = [perChannel(shape, normal(0.3)), perChannel(shape, variances)];
    const gamma = perChannel(shape, startingWith([-0.7, 0], normal(0.5, 1)));
    return [
      opCase(batchStatistics, name, [x], {}, statisticsParity),
      opCase(batchNormalize, name, [x, ...statistics, gamma, perChannel(shape)], { epsilon }),
      opCase(batchNormGradientSums, name, [x, dy, ...statistics], { epsilon }, gradientSumsParity),
      opCase(
        batchNormGradient,
        name,
        [x, dy, ...statistics, gamma, perChannel(shape, normal(30)), perChannel(shape, normal(30))],
        { epsilon },
      ),
    ];
  }),
  // Far from zero, where a variance of squares minus squared mean in float32 would have no digits left.
  opCase(
    batchStatistics,
    'mean 1000, deviation 0.1',
    [realInput([2 * rowsPerChunk + 1, 5], normal(0.1, 1000))],
    {},
    statisticsParity,
  ),
  opCase(batchStatistics, 'a constant', [realInput([1025, 3], values(-0.3, 7, 0))], {}, statisticsParity),
  ...[1, 7, 33].flatMap((channels) =>
    [1, 2, 6400].map((rows) =>
      opCase(
        updateRunningStatistics,
        `${channels} channels, ${rows} rows`,
        [perChannel([channels]), perChannel([channels], variances), perChannel([channels]), perChannel([channels])],
        { kept: 0.9, rows },
      ),
    ),
  ),
];
