/**
 * Cases of the fused ops. All results are those of the composed references bit for bit, but for the sums, whose order is the
 * kernels' own.
 */
import {
  type CaseInput,
  type CaseRun,
  input,
  integers,
  normal,
  type OpCase,
  opCase,
  type Parity,
  realInput,
  rowSum,
  startingWith,
  stepInput,
  uniform,
  values,
} from '../../core/op-case.js';
import { integer, type Shape, type TypedArray } from '../../core/tensor.js';
import type { ActivationKind } from '../activation/activation.js';
import type { PoolAttributes } from '../pool/pool.js';
import { addDequantized } from './add-dequantized.js';
import { normalizeQuantize } from './normalize-quantize.js';
import {
  gradientOfZ,
  normalizeQuantizeGradient,
  normalizeQuantizeGradientLevels,
  normalizeQuantizeGradientSums,
} from './normalize-quantize-gradient.js';

/** An operand's elements, and how many scales they have. */
interface Elements {
  readonly dtype: 'f32' | 'i16' | 'i32';
  readonly scales?: 'one' | 'per sample';
}

interface Setting {
  readonly shape: Shape;
  readonly pool?: PoolAttributes;
  readonly kind: ActivationKind;
  readonly bits: number;
  readonly gradientBits: number;
  readonly x: Elements;
  readonly dy: Elements;
  readonly normalization: 'statistics' | 'bias' | 'nothing';
}

const floats: Elements = { dtype: 'f32' };
const shorts: Elements = { dtype: 'i16' };
const square = (size: number, stride: number, pad: number, outHeight: number, outWidth: number): PoolAttributes => ({
  size,
  stride,
  padTop: pad,
  padLeft: pad,
  outHeight,
  outWidth,
});
/** Of x; a range of few integers, so that windows have several maxima. */
const xStep = 0.07;
const xRange = 25;

const settings: Readonly<Record<string, Setting>> = {
  'one element': {
    ...{ shape: [1, 1], kind: 'clip', bits: 1, gradientBits: 1, x: floats, dy: floats },
    normalization: 'statistics',
  },
  'a vector per sample': {
    ...{
      shape: [7, 1, 1, 37],
      kind: 'cabs',
      bits: 3,
      gradientBits: 8,
      x: shorts,
      dy: { dtype: 'i16', scales: 'per sample' },
    },
    normalization: 'statistics',
  },
  '3 channels, a scale per sample': {
    ...{ shape: [5, 9, 7, 3], kind: 'clip', bits: 2, gradientBits: 4, dy: { dtype: 'i32', scales: 'one' } },
    x: { dtype: 'i32', scales: 'per sample' },
    normalization: 'statistics',
  },
  'several bands and tasks': {
    ...{ shape: [2, 37, 29, 48], kind: 'clip', bits: 2, gradientBits: 6, x: { dtype: 'i16', scales: 'one' } },
    dy: { dtype: 'i16', scales: 'per sample' },
    normalization: 'statistics',
  },
  '300 channels': {
    ...{ shape: [2, 3, 5, 300], kind: 'cabs', bits: 8, gradientBits: 8, x: shorts, dy: floats },
    normalization: 'statistics',
  },
  'a bias': {
    ...{
      shape: [3, 5, 7, 17],
      kind: 'clip',
      bits: 4,
      gradientBits: 6,
      x: floats,
      dy: { dtype: 'i32', scales: 'per sample' },
    },
    normalization: 'bias',
  },
  'the approximate sign': {
    ...{ shape: [3, 7, 5, 33], kind: 'approx-sign', bits: 1, gradientBits: 4, x: shorts },
    dy: { dtype: 'i16', scales: 'per sample' },
    normalization: 'statistics',
  },
  'the approximate sign of 2x2 windows with a bias': {
    ...{ shape: [2, 6, 9, 17], pool: square(2, 2, 0, 3, 4), kind: 'approx-sign', bits: 1, gradientBits: 8, x: floats },
    dy: { dtype: 'i32', scales: 'one' },
    normalization: 'bias',
  },
  'the clipped sign of 2x2 windows': {
    ...{ shape: [2, 6, 9, 17], pool: square(2, 2, 0, 3, 4), kind: 'clip-sign', bits: 1, gradientBits: 4, x: shorts },
    dy: { dtype: 'i16', scales: 'per sample' },
    normalization: 'statistics',
  },
  nothing: {
    ...{ shape: [3, 5, 7, 16], kind: 'relu', bits: 2, gradientBits: 6, x: shorts, dy: floats },
    normalization: 'nothing',
  },
  '2x2 windows': {
    ...{ shape: [3, 6, 8, 16], pool: square(2, 2, 0, 3, 4), kind: 'clip', bits: 2, gradientBits: 6, x: shorts },
    dy: { dtype: 'i16', scales: 'per sample' },
    normalization: 'statistics',
  },
  '2x2 windows of 17 channels that leave out the end': {
    ...{ shape: [2, 7, 9, 17], pool: square(2, 2, 0, 3, 4), kind: 'cabs', bits: 1, gradientBits: 4, dy: floats },
    x: { dtype: 'i32', scales: 'one' },
    normalization: 'statistics',
  },
  '2x2 windows that hang over the end': {
    ...{ shape: [2, 7, 9, 20], pool: square(2, 2, 0, 4, 5), kind: 'relu', bits: 2, gradientBits: 8, x: shorts },
    dy: { dtype: 'i32', scales: 'one' },
    normalization: 'bias',
  },
  '3x3 windows, padded': {
    ...{ shape: [2, 11, 10, 5], pool: square(3, 3, 1, 4, 4), kind: 'clip', bits: 2, gradientBits: 6, x: floats },
    dy: shorts,
    normalization: 'nothing',
  },
  '2x2 windows with gaps': {
    ...{ shape: [2, 11, 10, 33], pool: square(2, 3, 1, 4, 3), kind: 'clip', bits: 2, gradientBits: 5, x: shorts },
    dy: { dtype: 'i16', scales: 'per sample' },
    normalization: 'statistics',
  },
  'windows of one pixel': {
    ...{ shape: [2, 5, 6, 16], pool: square(1, 1, 0, 5, 6), kind: 'clip', bits: 2, gradientBits: 5, x: floats },
    dy: floats,
    normalization: 'statistics',
  },
  '2x2 windows over a float image with a bias': {
    ...{ shape: [2, 26, 24, 48], pool: square(2, 2, 0, 13, 12), kind: 'clip', bits: 2, gradientBits: 6, x: floats },
    dy: { dtype: 'i16', scales: 'per sample' },
    normalization: 'bias',
  },
};

/** An operand and its scale. */
function operand(
  { dtype, scales }: Elements,
  shape: Shape,
  range: number,
  step: number,
): readonly [CaseInput, CaseInput | undefined] {
  const scale = scales === undefined ? undefined : realInput([scales === 'one' ? 1 : shape[0]!], uniform(0.3, 1.7));
  return dtype === 'f32'
    ? [realInput(shape, startingWith([0, -0, 1, -1], normal(range * step * 0.6))), scale]
    : [input(integer(shape, range, { dtype, step }), integers(-range, range)), scale];
}

const perChannel = (channels: number, content = normal()): CaseInput => realInput([channels], content);

/** mean, variance, gamma, beta. A variance of zero happens in a dead channel, and gamma may turn the order around. */
function normalizationOf(normalization: Setting['normalization'], channels: number): (CaseInput | undefined)[] {
  const beta = perChannel(channels, startingWith([0], normal(0.3)));
  if (normalization === 'nothing') return [undefined, undefined, undefined, undefined];
  if (normalization === 'bias') return [undefined, undefined, undefined, beta];
  const gamma = perChannel(channels, startingWith([-0.7, 0], normal(0.5, 1)));
  const variance = perChannel(channels, startingWith([0.5, 0], uniform(0.1, 4)));
  return [perChannel(channels, normal(0.3)), variance, gamma, beta];
}

type Attributes = Parameters<typeof normalizeQuantizeGradientSums.pack>[1];

/** The absolute values of the sums' terms. */
function magnitudes(run: CaseRun): { dGamma: Float64Array; dBeta: Float64Array } {
  const buffers = Object.fromEntries(run.op.inputs.map((slot, i) => [slot.replace('?', ''), run.inputs[i]])) as Record<
    string,
    TypedArray
  >;
  const { real, dz } = gradientOfZ(
    buffers,
    normalizeQuantizeGradientSums.pack(run.types, run.attributes as Attributes),
  );
  const channels = run.types[0]!.shape.at(-1)!;
  const { mean, variance } = buffers;
  const [dGamma, dBeta] = [new Float64Array(mean ? channels : 0), new Float64Array(channels)];
  for (const [i, each] of dz.entries()) {
    const c = i % channels;
    dBeta[c]! += Math.abs(each);
    if (mean) dGamma[c]! += (Math.abs(real[i]! - mean[c]!) * Math.abs(each)) / Math.sqrt(variance![c]! + epsilon);
  }
  return { dGamma, dBeta };
}

const epsilon = 1e-4;

const sumsParity: Parity = {
  dGamma: (run) => rowSum(magnitudes(run).dGamma),
  dBeta: (run) => rowSum(magnitudes(run).dBeta),
};

const fusedCases = Object.entries(settings).flatMap(([name, setting]): OpCase[] => {
  const { shape, pool, kind, bits, gradientBits, normalization } = setting;
  const channels = shape.at(-1)!;
  const outShape = pool === undefined ? shape : [shape[0]!, pool.outHeight, pool.outWidth, channels];
  const x = operand(setting.x, shape, xRange, xStep);
  const dy = operand(setting.dy, outShape, 30_000, 1e-4);
  const perChannels = normalizationOf(normalization, channels);
  const attributes = { epsilon, kind, pool };
  const hasStatistics = normalization === 'statistics';
  const sums = [0, 1].map(() => (hasStatistics ? perChannel(channels, normal(30)) : undefined));
  return [
    opCase(normalizeQuantize, name, [...x, ...perChannels], { ...attributes, bits }),
    opCase(normalizeQuantizeGradientSums, name, [...x, ...dy, ...perChannels], attributes, sumsParity),
    opCase(normalizeQuantizeGradient, name, [...x, ...dy, ...perChannels, ...sums], attributes),
    opCase(normalizeQuantizeGradientLevels, name, [...x, ...dy, ...perChannels, ...sums, stepInput(17)], {
      ...attributes,
      gradientBits,
      seed: 5,
      stream: 2 ** 31 + 7,
    }),
  ];
});

const zeroGradient = opCase(
  normalizeQuantizeGradientLevels,
  'a gradient of zero',
  [realInput([2, 3, 5]), undefined, realInput([2, 3, 5], values(0, -0)), ...Array(7).fill(undefined), stepInput(0)],
  { kind: 'clip', gradientBits: 6, seed: 1, stream: 2 },
);

const additions: Readonly<Record<string, readonly [Shape, Elements]>> = {
  'one element': [[1], { dtype: 'i32' }],
  'a scale for all': [[3, 50, 67, 5], { dtype: 'i16', scales: 'one' }],
  'a scale per sample': [[5, 21, 401], { dtype: 'i16', scales: 'per sample' }],
  'i32, a scale per sample': [[3, 5, 7, 9], { dtype: 'i32', scales: 'per sample' }],
  floats: [[3, 17], floats],
};

export const normalizeQuantizeCases: readonly OpCase[] = [
  ...fusedCases,
  zeroGradient,
  ...Object.entries(additions).map(([name, [shape, elements]]) =>
    opCase(addDequantized, name, [realInput(shape), ...operand(elements, shape, 30_000, 1e-3)], {}),
  ),
];
