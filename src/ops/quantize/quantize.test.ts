/** The quantizers' numbers: the test vectors TV-1 to TV-6 worked out from DoReFa-Net's formulas, and properties. */
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Op, ParamSpec } from '../../core/op.js';
import { evaluate } from '../../core/op-case.js';
import { arrayOf, type Encoding, quantized, real, type Shape, type TensorType } from '../../core/tensor.js';
import { Philox } from '../../util/philox.js';
import { activate } from '../activation/activation.js';
import { batchNormalize } from '../batch-norm/batch-norm.js';
import { conv2d } from '../conv2d/conv2d.js';
import { dequantize, quantizeUnit } from './activations.js';
import { gradientLevel, maxAbsPerSample, quantizeGradient } from './gradients.js';
import { roundHalfEven } from './rounding.js';
import { maxAbsTanh, meanAbs, quantizeSign, quantizeTanh, quantizeTanhGradient } from './weights.js';

interface Tensor {
  readonly type: TensorType;
  readonly data: ArrayLike<number>;
}

const realOf = (data: ArrayLike<number>, shape: Shape = [data.length]): Tensor => ({ type: real(shape), data });
const integersOf = (data: ArrayLike<number>, encoding: Encoding, shape: Shape = [data.length]): Tensor => ({
  type: quantized(shape, encoding),
  data,
});
const stepOf = (step: number): Tensor => ({ type: { dtype: 'i32', shape: [1] }, data: [step] });

/** The first output of an op. */
function run<A, S extends ParamSpec>(
  op: Op<A, S>,
  inputs: readonly (Tensor | undefined)[],
  attributes: NoInfer<A>,
): Tensor {
  const types = inputs.map((input) => input?.type);
  const contents = inputs.map((input) => {
    const data = input && arrayOf(input.type);
    data?.set(input!.data);
    return data;
  });
  const results = evaluate(op, types, attributes, contents);
  return { type: op.infer(types, attributes)[0]!, data: results[op.outputs[0]!]! };
}

/** The real numbers that a quantized tensor stands for. */
const realNumbers = (tensor: Tensor, scale?: Tensor): number[] => Array.from(run(dequantize, [tensor, scale], {}).data);

/** Equality to the six digits that the vectors are printed with; inputs in float32 may move the last one. */
function expectDigits(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, each] of expected.entries()) {
    expect(Math.abs(actual[i]! - each), `${actual[i]} at ${i}, not ${each}`).toBeLessThanOrEqual(1e-6);
  }
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('TV-1, quantize_k', () => {
  const r = [0, 0.1, 0.166, 0.167, 0.3, 0.5, 0.6, 0.84, 0.9, 1];
  test.each([
    [1, [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]],
    [2, [0, 0, 0, 0.333333, 0.333333, 0.666667, 0.666667, 1, 1, 1]],
    [3, [0, 0.142857, 0.142857, 0.142857, 0.285714, 0.571429, 0.571429, 0.857143, 0.857143, 1]],
    [4, [0, 0.133333, 0.133333, 0.2, 0.266667, 0.533333, 0.6, 0.866667, 0.933333, 1]],
  ])('%i bits', (bits, expected) => {
    expectDigits(realNumbers(run(quantizeUnit, [realOf(r)], { bits })), expected);
  });
});

describe('TV-2, weights', () => {
  const weights = realOf([0.5, -0.25, 0, -1.5, 0.1, 0.05], [3, 2]);
  const max = run(maxAbsTanh, [weights], {});

  test('1 bit: sign(W) * mean|W|, sign(0) = +1', () => {
    const scale = run(meanAbs, [weights], {});
    expectDigits(scale.data, [0.4]);
    expectDigits(realNumbers(run(quantizeSign, [weights], {}), scale), [0.4, -0.4, 0.4, -0.4, 0.4, 0.4]);
  });

  test('the maximum of |tanh W|', () => expectDigits(max.data, [0.905148]));

  test.each([
    [2, [2, 1, 2, 0, 2, 2], [0.333333, -0.333333, 0.333333, -1, 0.333333, 0.333333]],
    [3, [5, 3, 4, 0, 4, 4], [0.428571, -0.142857, 0.142857, -1, 0.142857, 0.142857]],
  ])('%i bits: the tanh map', (bits, levels, expected) => {
    const quantizedWeights = run(quantizeTanh, [weights, max], { bits });
    expect([...Array.from(quantizedWeights.data)]).toEqual(levels);
    expectDigits(realNumbers(quantizedWeights), expected);
  });

  test('backward, with the maximum in the graph', () => {
    const upstream = realOf([1, -2, 0.5, 1, -1, 0.25], [3, 2]);
    const dx = run(quantizeTanhGradient, [weights, max, upstream], {});
    expectDigits(dx.data, [0.868861, -2.077041, 0.552396, 0.190738, -1.093817, 0.275509]);
  });
});

const gradientRows = [0.2, -0.4, 0.1, 0, 0.003, 0.001, -0.002, 0.0005];

describe('TV-3, gradients with given noise', () => {
  const dr = realOf(gradientRows, [2, 4]);
  const max = run(maxAbsPerSample, [dr], {});
  const sigma = [0.1, -0.3, 0.4, -0.2, -0.45, 0.25, 0, 0.35];

  test('the scale of each sample', () => expectDigits(max.data, [0.4, 0.003]));

  // At 4 bits -0.002 / 0.006 + 1/2 = 2.5 / 15 is a tie, which goes to the even level 2. The vectors have 3, -0.0018, there,
  // because 1/2 - 1/3 comes out a little above 1/6 in double.
  test.each([
    [2, 'no', [0.133333, -0.4, 0.133333, 0.133333, 0.003, 0.001, -0.003, 0.001]],
    [2, 'with', [0.133333, -0.4, 0.133333, -0.133333, 0.003, 0.001, -0.003, 0.001]],
    [4, 'no', [0.186667, -0.4, 0.08, 0.026667, 0.003, 0.001, -0.0022, 0.0006]],
    [4, 'with', [0.186667, -0.4, 0.133333, -0.026667, 0.003, 0.001, -0.0022, 0.0006]],
  ])('%i bits, %s noise', (bits, noise, expected) => {
    const n = 2 ** bits - 1;
    const levels = Array.from(dr.data, (each, i) =>
      gradientLevel(each, max.data[Math.floor(i / 4)]!, n, noise === 'no' ? 0 : sigma[i]!),
    );
    const encoding = { kind: 'bipolar', max: n, step: 1 / n, scaleAxis: 'first' } as const;
    expectDigits(realNumbers(integersOf(levels, encoding, [2, 4]), max), expected);
  });
});

test('TV-4: the mean of 200,000 noisy quantizations at 2 bits is the gradient', () => {
  const draws = 200_000;
  const dr = new Float32Array(8 * draws);
  for (let i = 0; i < dr.length; i++) dr[i] = gradientRows[(i < 4 * draws ? 0 : 4) + (i % 4)]!;
  const max = realOf([0.4, 0.003]);
  const attributes = { bits: 2, seed: 1, stream: 2 };
  const levels = run(quantizeGradient, [realOf(dr, [2, 4 * draws]), max, stepOf(0)], attributes);
  const means = gradientRows.map((_, at) => {
    const scale = max.data[at < 4 ? 0 : 1]!;
    let sum = 0;
    for (let draw = 0; draw < draws; draw++) sum += levels.data[(at < 4 ? 0 : 4 * draws) + 4 * draw + (at % 4)]!;
    return scale * ((2 * sum) / draws / 3 - 1);
  });
  // A draw falls on one of two levels, 2 max / 3 apart: its deviation is at most max / 3. Four deviations of the mean:
  for (const [at, mean] of means.entries()) {
    const deviation = (at < 4 ? 0.4 : 0.003) / 3 / Math.sqrt(draws);
    expect(Math.abs(mean - gradientRows[at]!), `element ${at}: ${mean}`).toBeLessThan(4 * deviation);
  }
});

describe('TV-5, dot products', () => {
  /** By conv2d: one pixel, one output channel. */
  function dot(x: Tensor, filter: Tensor): number {
    const { length } = x.data;
    const as = (tensor: Tensor, shape: Shape): Tensor => ({ ...tensor, type: { ...tensor.type, shape } });
    const attributes = { stride: 1, padTop: 0, padLeft: 0, outHeight: 1, outWidth: 1 };
    const operands = [as(x, [1, 1, 1, length]), as(filter, [1, 1, length, 1]), undefined, undefined];
    return run(conv2d, operands, attributes).data[0]!;
  }
  const levels = (max: number, step: number): Encoding => ({ kind: 'levels', max, step });
  const bipolar = (max: number, step: number): Encoding => ({ kind: 'bipolar', max, step });
  const plane = (x: readonly number[], bit: number): number[] => x.map((each) => (each >> bit) & 1);
  const popcountOfAnd = (a: readonly number[], b: readonly number[]): number =>
    a.filter((each, i) => each & b[i]!).length;

  test('2 bits x 2 bits by bit planes', () => {
    const x = [3, 0, 2, 1, 3, 1];
    const y = [1, 3, 2, 0, 2, 3];
    const counts = [0, 1].flatMap((m) => [0, 1].map((k) => popcountOfAnd(plane(x, m), plane(y, k))));
    expect(counts).toEqual([2, 2, 1, 2]);
    expect(counts[0]! + 2 * counts[1]! + 2 * counts[2]! + 4 * counts[3]!).toBe(16);
    expect(dot(integersOf(x, levels(3, 1)), integersOf(y, levels(3, 1)))).toBe(16);
  });

  test('weights of 1 bit, activations of 2', () => {
    const b = [1, 0, 0, 1, 1, 0];
    const qa = [3, 1, 2, 0, 2, 3];
    const sum = qa.reduce((total, each) => total + each, 0);
    const product = qa.reduce((total, each, i) => total + each * b[i]!, 0);
    expect([product, sum, 2 * product - sum]).toEqual([5, 11, -1]);
    expect(dot(integersOf(qa, levels(3, 1)), integersOf(b, bipolar(1, 1)))).toBe(-1);
  });

  test('weights of 2 bits, activations of 2', () => {
    const x = integersOf([1, 3, 0, 2], levels(3, 1 / 3));
    const w = integersOf([0, 3, 2, 1], bipolar(3, 1 / 3));
    expectDigits([dot(x, w)], [0.444444]);
    const reals = [realNumbers(x), realNumbers(w)] as const;
    expectDigits([reals[0].reduce((sum, each, i) => sum + each * reals[1][i]!, 0)], [0.444444]);
  });

  test('-1 and +1: 2 popcount(xnor) - N', () => {
    const a = [1, -1, 1, 1, -1, 1, -1];
    const b = [1, 1, 1, 1, -1, -1, -1];
    const equal = a.filter((each, i) => each === b[i]).length;
    expect([equal, 2 * equal - 7, 7 - 2 * (7 - equal)]).toEqual([5, 3, 3]);
    const bits = (x: readonly number[]): Tensor =>
      integersOf(
        x.map((each) => (each + 1) / 2),
        bipolar(1, 1),
      );
    expect(dot(bits(a), bits(b))).toBe(3);
  });
});

describe('TV-6, thresholds at 2 activation bits', () => {
  const levelsOf = (y: Tensor): number[] =>
    Array.from(run(quantizeUnit, [run(activate, [y], { kind: 'clip' })], { bits: 2 }).data);

  test('of the activation', () => {
    const y = [-0.4, 0.1, 0.16, 0.17, 0.49, 0.51, 0.83, 0.84, 1.7];
    expect(levelsOf(realOf(y))).toEqual([0, 0, 0, 1, 1, 2, 2, 3, 3]);
    const thresholds = [1 / 6, 1 / 2, 5 / 6];
    expect(y.map((each) => thresholds.filter((t) => each >= t).length)).toEqual(levelsOf(realOf(y)));
  });

  test('of the accumulator before batch norm with a negative gamma', () => {
    const accumulators = Array.from({ length: 11 }, (_, i) => 4 * i - 20);
    const x = realOf(
      accumulators.map((s) => 0.1 * s),
      [11, 1],
    );
    const [mean, variance, gamma, beta] = [0.5, 1.25 ** 2, -0.8, 0.3].map((each) => realOf([each]));
    const y = run(batchNormalize, [x, mean, variance, gamma, beta], { epsilon: 0 });
    expect(levelsOf(y)).toEqual([3, 3, 3, 3, 3, 2, 1, 0, 0, 0, 0]);
    const thresholds = [1 / 6, 1 / 2, 5 / 6].map((t) => ((1.25 * (t - 0.3)) / -0.8 + 0.5) / 0.1);
    expectDigits(thresholds, [7.083333, 1.875, -3.333333]);
    expect(accumulators.map((s) => thresholds.filter((t) => s <= t).length)).toEqual(levelsOf(y));
  });
});

describe('properties', () => {
  const bitWidth = fc.integer({ min: 1, max: 8 });
  const gradientBits = fc.integer({ min: 2, max: 8 });
  const unit = fc.float({ min: 0, max: 1, noNaN: true });
  const element = fc.float({ min: -1000, max: 1000, noNaN: true });
  const levelsOfUnit = (x: readonly number[], bits: number): number[] =>
    Array.from(run(quantizeUnit, [realOf(x)], { bits }).data);

  test('quantization is monotone: quantize_k(max(a, b)) = max(quantize_k(a), quantize_k(b))', () => {
    fc.assert(
      fc.property(unit, unit, bitWidth, (a, b, bits) => {
        const [ofMax, ofA, ofB] = levelsOfUnit([Math.max(a, b), a, b], bits) as [number, number, number];
        expect(ofMax).toBe(Math.max(ofA, ofB));
      }),
    );
  });

  test('rounding is half to even, and clamps', () => {
    for (let floor = 0; floor < 255; floor++) {
      expect(roundHalfEven(floor + 0.5, 255)).toBe(floor % 2 === 0 ? floor : floor + 1);
      expect(roundHalfEven(floor + 0.5 + 2 ** -16, 255)).toBe(floor + 1);
      expect(roundHalfEven(floor + 0.5 - 2 ** -16, 255)).toBe(floor);
    }
    expect([-0.5, -0, 255.5, 1e30, Number.NaN].map((x) => roundHalfEven(x, 255))).toEqual([0, 0, 255, 255, 0]);
  });

  test('0.5 is a tie at every width: 0 at 1 bit, 2^(k-1) otherwise', () => {
    for (let bits = 1; bits <= 8; bits++) expect(levelsOfUnit([0.5], bits)).toEqual([bits === 1 ? 0 : 2 ** (bits - 1)]);
  });

  test('quantized values are fixed points of their quantizers', () => {
    for (let bits = 1; bits <= 8; bits++) {
      const n = 2 ** bits - 1;
      const levels = Array.from({ length: n + 1 }, (_, q) => q);
      const unitValues = realNumbers(integersOf(levels, { kind: 'levels', max: n, step: 1 / n }));
      expect(levelsOfUnit(unitValues, bits)).toEqual(levels);
      const encoding = { kind: 'bipolar', max: n, step: 1 / n, scaleAxis: 'first' } as const;
      const gradients = realNumbers(integersOf(levels, encoding, [1, n + 1]), realOf([0.37]));
      expect(gradients.map((each) => gradientLevel(each, Math.fround(0.37), n, 0))).toEqual(levels);
    }
  });

  test('the sign of a binary weight is its sign, and zeros count as positive', () => {
    const weights = realOf([0, -0, 1e-40, -1e-40, 3, -3]);
    const signs = run(quantizeSign, [weights], {});
    expect(Array.from(signs.data)).toEqual([1, 1, 1, 0, 1, 0]);
    const binary = realNumbers(signs, run(meanAbs, [weights], {}));
    expect(Array.from(run(quantizeSign, [realOf(binary)], {}).data)).toEqual(Array.from(signs.data));
  });

  test('E[f_G(dr)] = dr over uniform noise', () => {
    const draws = 1000;
    fc.assert(
      fc.property(element, fc.float({ min: 1, max: 100, noNaN: true }), gradientBits, (dr, factor, bits) => {
        const n = 2 ** bits - 1;
        const max = Math.fround(Math.abs(dr) * factor + 1e-3);
        let sum = 0;
        for (let i = 0; i < draws; i++) sum += gradientLevel(dr, max, n, (i + 0.5) / draws - 0.5);
        // Evenly spaced noise: the mean is off by at most one draw's step, and by float32's rounding.
        const step = (2 * max) / n;
        expect(Math.abs(max * ((2 * sum) / draws / n - 1) - dr)).toBeLessThan(step / draws + 1e-5 * max);
      }),
    );
  });

  const batch = fc.array(fc.array(element, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 6 });

  function quantizeBatch(rows: readonly (readonly number[])[], bits: number): { levels: number[][]; max: Tensor } {
    const dy = realOf(rows.flat(), [rows.length, 3]);
    const max = run(maxAbsPerSample, [dy], {});
    const { data } = run(quantizeGradient, [dy, max, stepOf(1)], { bits, seed: 2, stream: 3 });
    return { levels: rows.map((_, n) => Array.from(data).slice(3 * n, 3 * n + 3)), max };
  }

  test('the scale is that of the sample: permuting the batch permutes the levels', () => {
    vi.spyOn(Philox.prototype, 'uniform').mockReturnValue(0.5);
    fc.assert(
      fc.property(batch, gradientBits, (rows, bits) => {
        const { levels } = quantizeBatch(rows, bits);
        expect(quantizeBatch([...rows].reverse(), bits).levels).toEqual([...levels].reverse());
      }),
    );
  });

  test('scaling a sample by a power of two scales its maximum and leaves all levels', () => {
    fc.assert(
      fc.property(batch, gradientBits, fc.nat(), (rows, bits, which) => {
        const row = which % rows.length;
        const scaled = rows.map((each, n) => (n === row ? each.map((x) => x * 8) : each));
        // Denormal numbers lose digits when they are scaled, and samples of them count as zero.
        fc.pre(rows.flat().every((x) => x === 0 || Math.abs(x) > 2 ** -90));
        expect(quantizeBatch(scaled, bits).levels).toEqual(quantizeBatch(rows, bits).levels);
      }),
    );
  });

  test('a sample of zeros stays zero', () => {
    const { levels, max } = quantizeBatch(
      [
        [0, -0, 0],
        [1, -2, 0.5],
      ],
      4,
    );
    expect(max.data[0]).toBe(0);
    const encoding = { kind: 'bipolar', max: 15, step: 1 / 15, scaleAxis: 'first' } as const;
    const reals = realNumbers(integersOf(levels.flat(), encoding, [2, 3]), max);
    expect(reals.slice(0, 3).map(Math.abs)).toEqual([0, 0, 0]);
    expect(reals[4]).toBe(-2);
  });
});
