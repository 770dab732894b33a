/**
 * Cases of the quantizers. Levels are integers, so they must be equal; ties must be rounded to even. That holds for the tanh
 * map, too: a tanh that is right to the last bit of a double gives the reference's levels but for one element in 10^8.
 */
import {
  type CaseInput,
  type Content,
  doubleSum,
  input,
  integers,
  normal,
  type OpCase,
  onAbsoluteValues,
  opCase,
  type Parity,
  realInput,
  severalPieces,
  startingWith,
  stepInput,
  ulp,
  uniform,
  values,
} from '../../core/op-case.js';
import { type Encoding, integer, quantized, real } from '../../core/tensor.js';
import { dequantize, quantizeUnit } from './activations.js';
import { maxAbsPerSample, quantizeBackward, quantizeGradient } from './gradients.js';
import { combineScales } from './scales.js';
import { maxAbsTanh, meanAbs, meanAbsPerChannel, quantizeSign, quantizeTanh, quantizeTanhGradient } from './weights.js';

const bitWidths = [1, 2, 3, 4, 8];
const counts = [1, 15, 16, 17, 1023, 1024, 1025, 2049, severalPieces];
const zeros = [0, -0, 2 ** -149, -(2 ** -149)];

/** Where (2^k - 1) x is a tie in float32, the numbers beside them, and what must be clamped. */
const unitTies = [
  ...[0.5, 1 / 6, 5 / 6, 1 / 14, 3 / 14, 1 / 30, 29 / 30, 1 / 510, 3 / 510, 509 / 510].flatMap((tie) => {
    const x = Math.fround(tie);
    return [x, x * (1 + 2 ** -23), x * (1 - 2 ** -24)];
  }),
  ...[0, -0, 1, -1, 2, 1e30, -1e30, Infinity, -Infinity, Number.NaN],
];

/** The largest |x| of each group of equally many elements, as max-abs-per-sample gives it. */
const largestOfFirst: Content = (data, _, [x]) => {
  const elements = x!.length / data.length;
  for (let i = 0; i < x!.length; i++) {
    const group = Math.floor(i / elements);
    data[group] = Math.max(data[group]!, Math.abs(x![i]!));
  }
};

/** max |tanh x| of the tensor before. */
const tanhOfLargest: Content = (data, random, earlier) => {
  largestOfFirst(data, random, earlier);
  data[0] = Math.tanh(data[0]!);
};

const meanParity = (count: number): Parity => ({
  mean: (run) => doubleSum(run.results.mean!, onAbsoluteValues(run).mean!, count),
});

/** One unit in the last place for another tanh. */
const tanhParity: Parity = { max: (run) => Float64Array.from(run.results.max!, (max) => ulp * max) };

/**
 * With g = dLevels: g (1 - t^2) / m, rounded, and at the element of the largest |t| less (sum of g t) / m^2 * (1 - t^2),
 * rounded again. In double, whose tanh may be wrong by 2^-46 (native/math.h).
 */
const tanhGradientParity: Parity = {
  dx: ({ inputs: [x, max, dLevels], results }) => {
    const m = max![0]!;
    if (m === 0) return new Float64Array(x!.length);
    let sum = 0;
    for (const g of dLevels!) sum += Math.abs(g);
    return Float64Array.from(results.dx!, (dx, i) => {
      const g = Math.abs(dLevels![i]!);
      const direct = (g * (1 - Math.tanh(x![i]!) ** 2)) / m;
      return ulp * (Math.abs(dx) + direct) + (2 ** -44 * (g + sum / m)) / m;
    });
  },
};

const weights: readonly OpCase[] = [
  ...counts.flatMap((count) => {
    const x = realInput([count], startingWith(count > 4 ? zeros : [], normal(0.5)));
    return [
      opCase(meanAbs, `${count}`, [x], {}, meanParity(count)),
      opCase(quantizeSign, `${count}`, [x], {}),
      opCase(maxAbsTanh, `${count}`, [x], {}, tanhParity),
      opCase(
        quantizeTanhGradient,
        `${count}`,
        [x, realInput([1], tanhOfLargest), realInput([count])],
        {},
        tanhGradientParity,
      ),
    ];
  }),
  ...[[1], [7, 3], [3, 3, 5, 64], [3, 3, 3, 65], [1, 1, 20, 300]].map((shape) =>
    opCase(meanAbsPerChannel, `[${shape}]`, [realInput(shape, startingWith(zeros.slice(0, 1), normal(0.5)))], {}),
  ),
  ...bitWidths.flatMap((bits) => [
    ...[1, 33, severalPieces].map((count) => {
      const x = realInput([count], startingWith(count > 4 ? zeros : [], normal(0.5)));
      return opCase(quantizeTanh, `${bits} bits, ${count}`, [x, realInput([1], tanhOfLargest)], { bits });
    }),
    opCase(quantizeTanh, `${bits} bits, all zero`, [realInput([19], values(0, -0)), realInput([1], values(0))], {
      bits,
    }),
    // tanh is 1 there, and both ends of the range are reached.
    opCase(quantizeTanh, `${bits} bits, saturated`, [realInput([19], normal(40)), realInput([1], values(1))], { bits }),
  ]),
  opCase(maxAbsTanh, 'NaN', [realInput([99], startingWith([1, Number.NaN, 2], normal()))], {}, tanhParity),
  opCase(maxAbsTanh, 'all zero', [realInput([19], values(0, -0))], {}, tanhParity),
  opCase(maxAbsTanh, 'saturated', [realInput([19], normal(40))], {}, tanhParity),
  opCase(maxAbsTanh, 'tiny', [realInput([19], normal(1e-6))], {}, tanhParity),
  opCase(
    quantizeTanhGradient,
    'the largest twice',
    [realInput([21], startingWith([0.2, -1.5, 1.5], normal(0.3))), realInput([1], tanhOfLargest), realInput([21])],
    {},
    tanhGradientParity,
  ),
  opCase(
    quantizeTanhGradient,
    'all zero',
    [realInput([19], values(0, -0)), realInput([1], values(0)), realInput([19])],
    {},
    tanhGradientParity,
  ),
];

const activations: readonly OpCase[] = bitWidths.flatMap((bits) =>
  [1, 17, severalPieces].map((count) =>
    opCase(quantizeUnit, `${bits} bits, ${count}`, [realInput([count], startingWith(unitTies, uniform()))], { bits }),
  ),
);

interface Dequantization {
  readonly shape: readonly number[];
  readonly encoding: Encoding;
  /** Length of the scale. */
  readonly scales?: number;
}

const dequantizations: Readonly<Record<string, Dequantization>> = {
  'levels, 1 bit': { shape: [5, 3, 1, 7], encoding: { kind: 'levels', max: 1, step: 1 } },
  'levels, 2 bits': { shape: [5, 7, 3, 17], encoding: { kind: 'levels', max: 3, step: 1 / 3 } },
  'image bytes': {
    shape: [2, 5, 7, 3],
    encoding: { kind: 'levels', max: 255, step: 1 / 63, zeroPoints: [125, 0, 255] },
  },
  'bytes, one zero point': { shape: [3, 17], encoding: { kind: 'levels', max: 255, step: 1 / 255, zeroPoints: [128] } },
  'bipolar, 1 bit, one scale': { shape: [3, 3, 5, 7], encoding: { kind: 'bipolar', max: 1, step: 1 }, scales: 1 },
  'bipolar, 4 bits, scales of samples': {
    shape: [5, 7, 11],
    encoding: { kind: 'bipolar', max: 15, step: 1 / 15, scaleAxis: 'first' },
    scales: 5,
  },
  'bipolar, 8 bits, one sample': {
    shape: [1, 1031],
    encoding: { kind: 'bipolar', max: 255, step: 1 / 255, scaleAxis: 'first' },
    scales: 1,
  },
  'bipolar, 3 bits, samples of several pieces': {
    shape: [3, severalPieces],
    encoding: { kind: 'bipolar', max: 7, step: 1 / 7, scaleAxis: 'first' },
    scales: 3,
  },
  'bytes by channel, several pieces': {
    shape: [13_331, 3],
    encoding: { kind: 'levels', max: 255, step: 1 / 63, zeroPoints: [125, 0, 255] },
  },
  'bipolar, 2 bits, scales of channels': {
    shape: [3, 3, 15, 33],
    encoding: { kind: 'bipolar', max: 3, step: 1 / 3, scaleAxis: 'last' },
    scales: 33,
  },
};

const dequantizeCases: readonly OpCase[] = Object.entries(dequantizations).map(
  ([name, { shape, encoding, scales }]) => {
    const scale = scales === undefined ? undefined : realInput([scales], uniform(0, 2));
    return opCase(dequantize, name, [input(quantized(shape, encoding), integers(0, encoding.max)), scale], {});
  },
);

/** Samples of normal numbers, with a sample of zeros and one too small to be scaled where there are several. */
const gradientsOf = (shape: readonly number[]): CaseInput => ({
  type: real(shape),
  content: (data, random, earlier) => {
    normal(0.01)(data, random, earlier);
    if (shape[0]! < 3) return;
    const elements = data.length / shape[0]!;
    data.fill(0, elements, 2 * elements);
    for (let i = 2 * elements; i < 3 * elements; i++) data[i] = data[i]! * 2 ** -110;
  },
});

const gradientShapes = [
  [1, 1],
  [1, 5],
  [5, 7],
  [3, 1, 1, 17],
  [5, 3, 7, 33],
  [2, 1025],
  // Pieces begin in the middle of samples, and of blocks of four random numbers.
  [4, 10_001],
];

const gradients: readonly OpCase[] = [
  ...gradientShapes.map((shape) => opCase(maxAbsPerSample, `[${shape}]`, [gradientsOf(shape)], {})),
  // NaN is not lost, nor are infinities.
  opCase(
    maxAbsPerSample,
    'NaN and infinity',
    [realInput([3, 47], startingWith([1, Number.NaN, Infinity], values(...Array(60).fill(2), -Infinity)))],
    {},
  ),
  ...[2, 3, 4, 6, 8].flatMap((bits) =>
    gradientShapes.map((shape, i) =>
      opCase(
        quantizeGradient,
        `${bits} bits, [${shape}]`,
        [gradientsOf(shape), realInput([shape[0]!], largestOfFirst), stepInput(i * 1_000_003)],
        { bits, seed: bits - 4, stream: 0x9e3779b9 * bits },
      ),
    ),
  ),
  opCase(
    quantizeGradient,
    'a scale that is too small',
    [realInput([3, 29]), realInput([3], values(0.5)), stepInput(3)],
    { bits: 4, seed: 1, stream: 2 },
  ),
  opCase(quantizeBackward, '[2, 3]', [realInput([2, 3]), stepInput(0)], { bits: 4, seed: 1, stream: 2 }),
];

/** The integers of products, with a scale for all and one per sample. */
const integerDequantizeCases: readonly OpCase[] = (['i16', 'i32'] as const).flatMap((dtype) => {
  const max = dtype === 'i16' ? 32767 : 2 ** 31 - 1;
  const x = input(integer([3, 5, 7, 33], max, { dtype, step: 1 / 45 }), integers(-max, max));
  return [0, 1, 3].map((scales) =>
    opCase(
      dequantize,
      `${dtype}, ${scales} scales`,
      [x, scales === 0 ? undefined : realInput([scales], uniform(0, 2))],
      {},
    ),
  );
});

const scaleCases: readonly OpCase[] = [1, 5, 128].map((samples) =>
  opCase(combineScales, `${samples} samples`, [realInput([samples]), realInput([1])], { factor: 1 / 45 }),
);

export const quantizeCases: readonly OpCase[] = [
  ...weights,
  ...activations,
  ...dequantizeCases,
  ...integerDequantizeCases,
  ...gradients,
  ...scaleCases,
];
