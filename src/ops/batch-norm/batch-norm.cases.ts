import {
  type CaseInput,
  type CaseRun,
  evaluate,
  input,
  integers,
  normal,
  type OpCase,
  onAbsoluteValues,
  opCase,
  type Parity,
  realInput,
  rowSum,
  startingWith,
  ulp,
  uniform,
  values,
} from '../../core/op-case.js';
import { integer, real, type TypedArray } from '../../core/tensor.js';
import { rowsPerChunk } from '../elementwise/elementwise.js';
import { realNumbers } from '../elementwise/scaled.js';
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

/** The mean of the absolute values. */
function meanMagnitude({ op, types, inputs: [x, xScale] }: CaseRun): TypedArray {
  const p = batchStatistics.pack(types, {});
  const scaled = { kind: p.xKind, step: p.xStep, scaleCount: p.xScaleCount };
  const magnitudes = realNumbers(x!, xScale, scaled, p.samples).map(Math.abs);
  return evaluate(op, [real(types[0]!.shape)], {}, [magnitudes]).mean!;
}

/**
 * The variance sums squared deviations, and may take them from a mean that is as inexact as the mean's own bound: that adds
 * the square of the difference. Of integers, kernels round the sums where the reference rounds each real number: its error of
 * half a unit in the last place counts once in the mean and twice, times the deviation, in the variance.
 */
const statisticsParity: Parity = {
  mean: (run) => rowSum(meanMagnitude(run)),
  variance: (run) => {
    const magnitudes = meanMagnitude(run);
    const meanErrors = rowSum(magnitudes);
    const { mean, variance } = run.results;
    const roundings = run.types[0]!.encoding === undefined ? 0 : ulp;
    return rowSum(variance!).map(
      (bound, c) =>
        bound + 2 * meanErrors[c]! ** 2 + roundings * Math.sqrt(variance![c]! * (variance![c]! + mean![c]! ** 2)),
    );
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

interface IntegerStatistics {
  readonly shape: readonly number[];
  readonly dtype: 'i16' | 'i32';
  readonly max: number;
  readonly low?: number;
  readonly scales?: number;
}

/** Integers with one scale whose squares are small are summed exactly. */
const integerStatistics: Readonly<Record<string, IntegerStatistics>> = {
  'i16, one row': { shape: [1, 5], dtype: 'i16', max: 400 },
  i16: { shape: [3, 29, 31, 17], dtype: 'i16', max: 1728 },
  'i16, a scale': { shape: [4, 16, 16, 48], dtype: 'i16', max: 8192, scales: 1 },
  'i16, large': { shape: [2, 25, 41, 3], dtype: 'i16', max: 32767 },
  'i16, 300 channels': { shape: [7, 5, 5, 300], dtype: 'i16', max: 900, scales: 1 },
  'i16, far from zero': { shape: [3, 29, 31, 7], dtype: 'i16', max: 3000, low: 2600, scales: 1 },
  i32: { shape: [5, 17, 13, 33], dtype: 'i32', max: 8000, scales: 1 },
  'i32, large, a scale per sample': { shape: [5, 17, 13, 33], dtype: 'i32', max: 2 ** 23, scales: 5 },
};

export const batchNormCases: readonly OpCase[] = [
  ...shapes.flatMap((shape) => {
    const name = `[${shape}]`;
    const x = realInput(shape);
    const dy = realInput(shape);
    const statistics = [perChannel(shape, normal(0.3)), perChannel(shape, variances)];
    const gamma = perChannel(shape, startingWith([-0.7, 0], normal(0.5, 1)));
    return [
      opCase(batchStatistics, name, [x, undefined], {}, statisticsParity),
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
    [realInput([2 * rowsPerChunk + 1, 5], normal(0.1, 1000)), undefined],
    {},
    statisticsParity,
  ),
  opCase(batchStatistics, 'a constant', [realInput([1025, 3], values(-0.3, 7, 0)), undefined], {}, statisticsParity),
  ...Object.entries(integerStatistics).map(([name, { shape, dtype, max, low = -max, scales }]) => {
    const scale = scales === undefined ? undefined : realInput([scales], uniform(0.3, 1.7));
    const x = input(integer(shape, max, { dtype, step: 0.013 }), startingWith([max, -max], integers(low, max)));
    return opCase(batchStatistics, name, [x, scale], {}, statisticsParity);
  }),
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
