/** The fused ops are the ops that they stand for, one after another, bit for bit, for any shapes and operands. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Op, ParamSpec } from '../../core/op.js';
import { evaluate } from '../../core/op-case.js';
import { arrayOf, integer, real, type Shape, sizeOf, type TensorType, type TypedArray } from '../../core/tensor.js';
import { Philox } from '../../util/philox.js';
import { type ActivationKind, activate, activateGradient } from '../activation/activation.js';
import { batchNormalize, batchNormGradient, batchNormGradientSums, batchStatistics } from '../batch-norm/batch-norm.js';
import { add, addBias, sumRows } from '../elementwise/elementwise.js';
import { maxPool, maxPoolGradient, type PoolAttributes } from '../pool/pool.js';
import { quantizeUnit } from '../quantize/activations.js';
import { maxAbsPerSample, quantizeGradient } from '../quantize/gradients.js';
import { addDequantized } from './add-dequantized.js';
import { normalizeQuantize } from './normalize-quantize.js';
import {
  normalizeQuantizeGradient,
  normalizeQuantizeGradientLevels,
  normalizeQuantizeGradientSums,
} from './normalize-quantize-gradient.js';

interface Tensor {
  readonly type: TensorType;
  readonly data: TypedArray;
}

/** The outputs of an op. */
function run<A, S extends ParamSpec>(
  op: Op<A, S>,
  inputs: readonly (Tensor | undefined)[],
  attributes: NoInfer<A>,
): Tensor[] {
  const types = inputs.map((input) => input?.type);
  const results = evaluate(
    op,
    types,
    attributes,
    inputs.map((input) => input?.data),
  );
  return op.infer(types, attributes).map((type, i) => ({ type, data: results[op.outputs[i]!]! }));
}

/** An operand as integers with a scale, or as floats, and its real numbers. */
interface Operand {
  readonly inputs: readonly [Tensor, Tensor | undefined];
  readonly real: Tensor;
}

const dtypes = ['f32', 'i16', 'i32'] as const;
const scalings = ['none', 'one', 'per sample'] as const;

const operandChoice = fc.record({ dtype: fc.constantFrom(...dtypes), scaling: fc.constantFrom(...scalings) });
type OperandChoice = { readonly dtype: (typeof dtypes)[number]; readonly scaling: (typeof scalings)[number] };

function realTensor(shape: Shape, next: () => number): Tensor {
  return { type: real(shape), data: Float32Array.from({ length: sizeOf(shape) }, next) };
}

function operand(shape: Shape, { dtype, scaling }: OperandChoice, random: Philox): Operand {
  if (dtype === 'f32') {
    const tensor = realTensor(shape, () => random.nextNormal());
    return { inputs: [tensor, undefined], real: tensor };
  }
  // Integers of i32 that floats do not hold, and few different ones of i16.
  const range = dtype === 'i16' ? 9 : 2 ** 27;
  const step = 1.7 / range;
  const data = arrayOf({ dtype, shape });
  for (let i = 0; i < data.length; i++) data[i] = Math.floor((random.next() * 2 - 1) * range);
  const samples = shape[0]!;
  const scale =
    scaling === 'none' ? undefined : realTensor([scaling === 'one' ? 1 : samples], () => 0.3 + random.next());
  const numbers = Float32Array.from(data, (each, i) => {
    const factor = scale?.data[scale.data.length === 1 ? 0 : Math.floor((i * samples) / data.length)];
    const exact = Math.fround(step);
    return Math.fround(each) * (factor === undefined ? exact : Math.fround(factor * exact));
  });
  return {
    inputs: [{ type: integer(shape, range, { dtype, step }), data }, scale],
    real: { type: real(shape), data: numbers },
  };
}

const setting = fc.record({
  seed: fc.nat(),
  batch: fc.integer({ min: 1, max: 3 }),
  height: fc.integer({ min: 1, max: 9 }),
  width: fc.integer({ min: 1, max: 9 }),
  channels: fc.integer({ min: 1, max: 19 }),
  window: fc.option(
    fc.record({
      size: fc.integer({ min: 1, max: 3 }),
      gap: fc.integer({ min: 0, max: 2 }),
      pads: fc.tuple(fc.nat(2), fc.nat(2)),
      leftOut: fc.boolean(),
    }),
  ),
  normalization: fc.constantFrom('statistics', 'bias', 'nothing'),
  kind: fc.constantFrom<ActivationKind>('relu', 'clip', 'cabs', 'approx-sign', 'clip-sign', 'swish-sign'),
  bits: fc.integer({ min: 1, max: 8 }),
  gradientBits: fc.integer({ min: 1, max: 8 }),
  x: operandChoice,
  dy: operandChoice,
});
type Setting = typeof setting extends fc.Arbitrary<infer T> ? T : never;

function poolOf({ window, height, width }: Setting): PoolAttributes | undefined {
  if (window === null) return undefined;
  const stride = window.size + window.gap;
  const [padTop, padLeft] = window.pads.map((pad) => Math.min(pad, window.size - 1)) as [number, number];
  // As many windows as begin inside the image, or one fewer.
  const outOf = (extent: number, pad: number): number =>
    Math.max(1, Math.ceil((extent + pad) / stride) - (window.leftOut ? 1 : 0));
  return {
    ...{ size: window.size, stride, padTop, padLeft },
    outHeight: outOf(height, padTop),
    outWidth: outOf(width, padLeft),
  };
}

/** Everything on the way forward and back, by the ops one after another. */
function compose(s: Setting, pool: PoolAttributes | undefined, x: Tensor, perChannel: (Tensor | undefined)[]) {
  const { kind, bits } = s;
  const [mean, variance, , beta] = perChannel;
  const z =
    s.normalization === 'statistics'
      ? run(batchNormalize, [x, ...perChannel], { epsilon })[0]!
      : s.normalization === 'bias'
        ? run(addBias, [x, beta], {})[0]!
        : x;
  const [maxima, index] = pool === undefined ? [z] : (run(maxPool, [z], pool) as [Tensor, Tensor]);
  const levels = run(quantizeUnit, run(activate, [maxima], { kind }), { bits })[0]!;
  const back = (dy: Tensor): { dz: Tensor; sums: Tensor[] } => {
    const slopes = run(activateGradient, [maxima, dy], { kind })[0]!;
    const image = { height: s.height, width: s.width };
    const dz = pool === undefined ? slopes : run(maxPoolGradient, [slopes, index], { ...pool, ...image })[0]!;
    const sums =
      s.normalization === 'statistics'
        ? run(batchNormGradientSums, [x, dz, mean, variance], { epsilon })
        : [{ type: real([0]), data: new Float32Array() }, run(sumRows, [dz], {})[0]!];
    return { dz, sums };
  };
  return { levels, back };
}

const epsilon = 1e-4;

describe('the fused ops are the composition of the ops', () => {
  test('around a product', () => {
    fc.assert(
      fc.property(setting, (s) => {
        const random = new Philox(s.seed, 'composition');
        const shape = [s.batch, s.height, s.width, s.channels];
        const pool = poolOf(s);
        const x = operand(shape, s.x, random);
        const numbers = (low: number, high: number) =>
          realTensor([s.channels], () => low + (high - low) * random.next());
        const all = [numbers(-0.5, 0.5), numbers(0, 2), numbers(-1, 1.5), numbers(-0.5, 0.5)];
        const given = { statistics: [1, 1, 1, 1], bias: [0, 0, 0, 1], nothing: [0, 0, 0, 0] }[s.normalization]!;
        const perChannel = all.map((each, i) => (given[i] ? each : undefined));
        const attributes = { epsilon, kind: s.kind, pool };

        const { levels, back } = compose(s, pool, x.real, perChannel);
        const fused = run(normalizeQuantize, [...x.inputs, ...perChannel], { ...attributes, bits: s.bits });
        expect(fused).toEqual([levels]);

        const dy = operand(levels.type.shape, s.dy, random);
        const { dz, sums } = back(dy.real);
        const operands = [...x.inputs, ...dy.inputs, ...perChannel];
        expect(run(normalizeQuantizeGradientSums, operands, attributes)).toEqual(sums);

        const hasStatistics = s.normalization === 'statistics';
        const [mean, variance, gamma] = perChannel;
        const dx = hasStatistics
          ? run(batchNormGradient, [x.real, dz, mean, variance, gamma, ...sums], { epsilon })[0]!
          : dz;
        const sumsGiven = hasStatistics ? sums : [undefined, undefined];
        expect(run(normalizeQuantizeGradient, [...operands, ...sumsGiven], attributes)).toEqual([dx]);

        const step: Tensor = { type: { dtype: 'i32', shape: [1] }, data: Int32Array.of(s.seed % 1000) };
        const noise = { seed: s.seed | 0, stream: 77 };
        const max = run(maxAbsPerSample, [dx], {})[0]!;
        const quantizedLevels = run(quantizeGradient, [dx, max, step], { bits: s.gradientBits, ...noise })[0]!;
        const quantized = run(normalizeQuantizeGradientLevels, [...operands, ...sumsGiven, step], {
          ...attributes,
          gradientBits: s.gradientBits,
          ...noise,
        });
        expect(quantized).toEqual([quantizedLevels, max]);
      }),
      { numRuns: 300 },
    );
  });

  test('on integers: sums and statistics', () => {
    fc.assert(
      fc.property(fc.nat(), operandChoice, fc.integer({ min: 1, max: 4 }), (seed, choice, samples) => {
        const random = new Philox(seed, 'integers');
        const b = operand([samples, 3, 5, 7], choice, random);
        const a = realTensor([samples, 3, 5, 7], () => random.nextNormal());
        expect(run(addDequantized, [a, ...b.inputs], {})).toEqual(run(add, [a, b.real], {}));
        expect(run(batchStatistics, b.inputs, {})).toEqual(run(batchStatistics, [b.real, undefined], {}));
      }),
    );
  });
});

describe('what does not fit', () => {
  const x = real([2, 4, 4, 3]);
  const numbers = real([3]);
  const overlapping = { size: 3, stride: 2, padTop: 0, padLeft: 0, outHeight: 1, outWidth: 1 };

  test.each([
    ['windows that overlap', [x], { pool: overlapping }, /must not overlap/],
    ['a mean alone', [x, undefined, numbers], {}, /mean, variance, gamma and beta/],
    ['a scale of real numbers', [x, real([1])], {}, /takes no scale/],
    ['a scale of neither one nor every sample', [integer([2, 4, 4, 3], 9), real([3])], {}, /one per sample \(2\)/],
    ['levels', [{ ...x, dtype: 'u8' as const }], {}, /must be real or integers/],
    ['a bias of other channels', [x, undefined, undefined, undefined, undefined, real([4])], {}, /per channel \(3\)/],
  ])('%s', (_, types, attributes, message) => {
    expect(() => normalizeQuantize.infer(types, { kind: 'clip', bits: 2, ...attributes })).toThrow(message);
  });

  test('a gradient of another shape', () => {
    const types = [x, undefined, real([2, 2, 2, 3])];
    expect(() => normalizeQuantizeGradientSums.infer(types, { kind: 'clip' })).toThrow(/the shape of the levels/);
  });

  test('statistics without the sums of the gradient', () => {
    const types = [x, undefined, x, undefined, numbers, numbers, numbers, numbers];
    expect(() => normalizeQuantizeGradient.infer(types, { kind: 'clip' })).toThrow(/dGamma and dBeta/);
  });
});
