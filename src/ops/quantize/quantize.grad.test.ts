/**
 * Straight-through gradients, each checked for what it is defined to be, and the gradients that quantized operands give:
 * those of the real numbers that they stand for.
 */
import { describe, expect, test } from 'vitest';
import type { Value } from '../../core/graph.js';
import { type Content, integers, uniform, values } from '../../core/op-case.js';
import { quantized, type TensorType } from '../../core/tensor.js';
import { Philox } from '../../util/philox.js';
import { conv2d } from '../conv2d/conv2d.js';
import { type Data, DoubleGraph, inDouble } from '../double-graph.js';
import { addBias } from '../elementwise/elementwise.js';
import { ops } from '../index.js';
import { dequantize, quantizeUnit } from './activations.js';
import { gradientLevel, quantizeBackward } from './gradients.js';
import { realOf } from './real.js';
import { maxAbsTanh, quantizeSign, quantizeTanh } from './weights.js';

function bipolar(bits: number) {
  return { kind: 'bipolar', max: 2 ** bits - 1, step: 1 / (2 ** bits - 1) } as const;
}

const levelsOf = (bits: number): Content => integers(0, 2 ** bits - 1);

function expectDigits(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.map((each) => each.toFixed(6))).toEqual(expected.map((each) => each.toFixed(6)));
}

function expectEqual(actual: Data, expected: Data): void {
  const largest = Math.max(...expected.map(Math.abs));
  for (const [i, each] of expected.entries()) expect(Math.abs(actual[i]! - each)).toBeLessThanOrEqual(1e-12 * largest);
}

describe('straight through', () => {
  test.each([quantizeSign, quantizeUnit, dequantize].map((op) => op.name))('%s passes the gradient on', (name) => {
    const double = new DoubleGraph();
    const x = name === dequantize.name ? double.input(quantized([5], bipolar(2)), levelsOf(2)) : double.real([5]);
    double.graph.add(ops[name]!, name, [x], { bits: 2 });
    const dy = double.real([5]);
    const [dx] = double.differentiate([dy]);
    expect(dx).toBe(dy);
  });

  test('quantize-tanh: the chain rule through tanh and the maximum, the rounding as identity (TV-2)', () => {
    const double = new DoubleGraph();
    const weights = [0.5, -0.25, 0, -1.5, 0.1, 0.05];
    const x = double.real([3, 2], values(...weights));
    const max = double.graph.apply(maxAbsTanh, 'max', [x], {});
    double.graph.add(quantizeTanh, 'levels', [x, max], { bits: 2 });
    const upstream = [1, -2, 0.5, 1, -1, 0.25];
    const [dx] = double.differentiate([double.real([3, 2], values(...upstream))]);
    const found = [...double.results().get(dx!)!];
    expectDigits(found, [0.868861, -2.077041, 0.552396, 0.190738, -1.093817, 0.275509]);

    // The same by differences of the map without its rounding, t / max |t|.
    const loss = (w: readonly number[]): number => {
      const m = Math.max(...w.map((each) => Math.abs(Math.tanh(each))));
      return w.reduce((sum, each, i) => sum + (upstream[i]! * Math.tanh(each)) / m, 0);
    };
    for (const [i, gradient] of found.entries()) {
      const moved = (by: number) => loss(weights.map((each, j) => (i === j ? each + by : each)));
      expect(Math.abs(gradient - (moved(1e-5) - moved(-1e-5)) / 2e-5)).toBeLessThan(1e-8);
    }
  });

  test('quantize-backward: levels of dy with its maximum per sample as scale', () => {
    const double = new DoubleGraph();
    const step = double.input({ dtype: 'i32', shape: [1] }, values(7));
    double.graph.add(quantizeBackward, 'fg', [double.real([3, 2, 5]), step], { bits: 4, seed: 3, stream: 4 });
    const dy = double.real([3, 2, 5]);
    const [levels] = double.differentiate([dy]);
    expect(levels!.type.encoding).toEqual({ kind: 'bipolar', max: 15, step: 1 / 15, scaleAxis: 'first' });
    const results = double.results();
    const noise = new Philox(3, 4, 7);
    const gradient = results.get(dy)!;
    const maxima = results.get(levels!.scale!)!;
    for (let n = 0; n < 3; n++) {
      const sample = gradient.slice(10 * n, 10 * n + 10);
      expect(maxima[n]).toBe(Math.max(...sample.map(Math.abs)));
      for (const [i, each] of sample.entries()) {
        const sigma = noise.uniform(10 * n + i) - 0.5;
        const expected = inDouble(() => gradientLevel(each, maxima[n]!, 15, sigma));
        expect(results.get(levels!)![10 * n + i]).toBe(expected);
      }
    }
  });
});

describe('quantized operands have the gradients of the real numbers that they stand for', () => {
  const images = {
    levels: { type: quantized([3, 4, 3, 3], { kind: 'levels', max: 3, step: 1 / 3 }), bits: 2, scales: 0 },
    bytes: {
      type: quantized([3, 4, 3, 3], { kind: 'levels', max: 255, step: 1 / 63, zeroPoints: [125, 0, 255] }),
      bits: 8,
      scales: 0,
    },
    'a scale per sample': { type: quantized([3, 4, 3, 3], { ...bipolar(2), scaleAxis: 'first' }), bits: 2, scales: 3 },
  };
  const filters = {
    '1 bit, one scale': { type: quantized([3, 3, 3, 2], bipolar(1)), bits: 1, scales: 1 },
    '4 bits': { type: quantized([3, 3, 3, 2], bipolar(4)), bits: 4, scales: 0 },
    '1 bit, a scale per output channel': {
      type: quantized([3, 3, 3, 2], { ...bipolar(1), scaleAxis: 'last' }),
      bits: 1,
      scales: 2,
    },
  };
  const dyType = quantized([3, 4, 3, 2], { ...bipolar(4), scaleAxis: 'first' });
  const pairs = Object.entries(images).flatMap(([image, x]) =>
    Object.entries(filters).map(([filter, w]) => ({ name: `${image} x ${filter}`, x, w })),
  );

  test.each(pairs)('conv2d: $name', ({ x, w }) => {
    const double = new DoubleGraph();
    const operand = ({ type, bits, scales }: { type: TensorType; bits: number; scales: number }): Value =>
      scales === 0
        ? double.input(type, levelsOf(bits))
        : double.scaled(type, levelsOf(bits), double.real([scales], uniform(0.5, 2)));
    const convolve = (image: Value, filter: Value) =>
      double.graph.add(conv2d, 'conv', [image, filter, image.scale, filter.scale], {
        stride: 1,
        padTop: 1,
        padLeft: 1,
        outHeight: 4,
        outWidth: 3,
      });
    const [image, filter] = [operand(x), operand(w)];
    const dy = operand({ type: dyType, bits: 4, scales: 3 });
    convolve(image, filter);
    const [dx, dFilter] = double.differentiate([dy]);
    const realOperands = [image, filter, dy].map((value) => realOf(double.graph, value)) as [Value, Value, Value];
    convolve(realOperands[0], realOperands[1]);
    const [realDx, realDFilter] = double.differentiate([realOperands[2]]);
    const results = double.results();
    expectEqual(results.get(dx!)!, results.get(realDx!)!);
    expectEqual(results.get(dFilter!)!, results.get(realDFilter!)!);
  });

  test('add-bias', () => {
    const double = new DoubleGraph();
    double.graph.add(addBias, 'bias', [double.real([3, 4, 3, 2]), double.real([2])], {});
    const dy = double.scaled(dyType, levelsOf(4), double.real([3], values(0.5, 2, 0)));
    const [dx, dBias] = double.differentiate([dy]);
    expect(dx).toBe(dy);
    const levels = double.contents.get(dy)!;
    const expected = new Float64Array(2);
    for (const [i, q] of levels.entries()) {
      const scale = [0.5, 2, 0][Math.floor(i / 24)]!;
      expected[i % 2] = expected[i % 2]! + ((2 * q - 15) / 15) * scale;
    }
    expectEqual(double.results().get(dBias!)!, expected);
  });
});
