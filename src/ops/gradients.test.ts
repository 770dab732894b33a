/**
 * The gradient rule of every differentiable op against central differences. Contents keep away from kinks. Quantizers have
 * straight-through gradients instead: quantize/quantize.grad.test.ts.
 */
import { describe, expect, test } from 'vitest';
import { type Content, normal, values } from '../core/op-case.js';
import { activate } from './activation/activation.js';
import { batchNormalize, batchStatistics } from './batch-norm/batch-norm.js';
import { concat } from './concat/concat.js';
import { conv2d } from './conv2d/conv2d.js';
import { DoubleGraph, runInDouble } from './double-graph.js';
import { dropout } from './dropout/dropout.js';
import { add, addBias, reshape } from './elementwise/elementwise.js';
import { gradients } from './gradients.js';
import { ops } from './index.js';
import { averagePool, wholeImage } from './pool/average-pool.js';
import { maxPool } from './pool/pool.js';
import { dequantize, quantizeUnit } from './quantize/activations.js';
import { quantizeBackward } from './quantize/gradients.js';
import { learnedScale, quantizeScaled } from './quantize/learned.js';
import { quantizeTernary } from './quantize/ternary.js';
import { quantizeSign, quantizeTanh } from './quantize/weights.js';
import { rprelu } from './rprelu/rprelu.js';
import { runtimeOps } from './runtime.js';
import { groupFilters } from './selection/group-filters.js';
import { addGumbelNoise } from './selection/gumbel-noise.js';
import { selectedCodewords } from './selection/selected-codewords.js';
import { sinkhorn } from './selection/sinkhorn.js';
import { strideShortcut } from './shortcut/shortcut.js';
import { softmaxCrossEntropy } from './softmax/softmax.js';

const h = 1e-5;

/**
 * Compares the rule of the last node with central differences of sum(dOutput * output) over all nodes, for each of the
 * wanted inputs. Only output `slot` is differentiated.
 */
function expectGradients(double: DoubleGraph, wanted: readonly number[], slot = 0): void {
  const forward = [...double.graph.nodes];
  const node = forward.at(-1)!;
  const output = node.outputs[slot]!;
  const dOutput = double.real(output.type.shape);
  const dOutputs = node.outputs.map((value) => (value === output ? dOutput : undefined));
  const dInputs = double.differentiate(dOutputs, wanted);
  const results = double.results();
  const weights = double.contents.get(dOutput)!;
  const loss = (): number => {
    const y = runInDouble(forward, double.contents).get(output)!;
    let sum = 0;
    for (const [i, each] of y.entries()) sum += each * weights[i]!;
    return sum;
  };
  for (const i of wanted) {
    const data = double.contents.get(node.inputs[i]!)!;
    const gradient = results.get(dInputs[i]!)!;
    expect(gradient.length).toBe(data.length);
    const largest = Math.max(...gradient.map(Math.abs));
    expect(largest).toBeGreaterThan(1e-3);
    for (let j = 0; j < data.length; j++) {
      const at = data[j]!;
      data[j] = at + h;
      const above = loss();
      data[j] = at - h;
      const below = loss();
      data[j] = at;
      const difference = (above - below) / (2 * h);
      const what = `d input ${i} [${j}] is ${gradient[j]}, by differences ${difference}`;
      expect(Math.abs(gradient[j]! - difference), what).toBeLessThanOrEqual(1e-6 * largest);
    }
  }
}

/** Distinct numbers, 0.05 apart: no two of them change places when one moves by h. */
const distinct: Content = (data, random) => {
  const order = Array.from({ length: data.length }, (_, i) => i);
  random.shuffle(order);
  for (let i = 0; i < data.length; i++) data[i] = 0.05 * (order[i]! - data.length / 2);
};

const convolutions = {
  'same 3x3': { x: [2, 4, 3, 3], filter: [3, 3, 3, 2], stride: 1, pad: [1, 1], out: [4, 3] },
  'stride 2, uneven': { x: [2, 5, 4, 2], filter: [3, 2, 2, 3], stride: 2, pad: [1, 0], out: [3, 2] },
  'stride 3, leaves out pixels': { x: [1, 7, 8, 1], filter: [2, 2, 1, 2], stride: 3, pad: [0, 0], out: [2, 3] },
  dense: { x: [3, 1, 1, 5], filter: [1, 1, 5, 4], stride: 1, pad: [0, 0], out: [1, 1] },
} as const;

const convAttributes = ({ stride, pad, out }: (typeof convolutions)[keyof typeof convolutions]) => ({
  stride,
  padTop: pad[0],
  padLeft: pad[1],
  outHeight: out[0],
  outWidth: out[1],
});

/** By op: builds functions whose last node is of that op, and checks them. */
const differenceChecks: Readonly<Record<string, () => void>> = {
  [conv2d.name]() {
    for (const geometry of Object.values(convolutions)) {
      const double = new DoubleGraph();
      const operands = [double.real(geometry.x), double.real(geometry.filter), undefined, undefined];
      double.graph.add(conv2d, 'conv', operands, convAttributes(geometry));
      expectGradients(double, [0, 1]);
    }
  },
  [add.name]() {
    const double = new DoubleGraph();
    double.graph.add(add, 'add', [double.real([2, 3]), double.real([2, 3])], {});
    expectGradients(double, [0, 1]);
  },
  [addBias.name]() {
    const double = new DoubleGraph();
    double.graph.add(addBias, 'bias', [double.real([2, 3, 5]), double.real([5])], {});
    expectGradients(double, [0, 1]);
  },
  [reshape.name]() {
    const double = new DoubleGraph();
    double.graph.add(reshape, 'flat', [double.real([2, 3, 5])], { shape: [5, 6] });
    expectGradients(double, [0]);
  },
  [activate.name]() {
    for (const kind of ['relu', 'clip', 'cabs', 'approx-sign', 'clip-sign'] as const) {
      const double = new DoubleGraph();
      // On every side of every kink: -1, 0 and 1.
      const x = double.real([7], values(-2.5, -1.01, -0.6, -0.02, 0.3, 0.99, 1.7));
      double.graph.add(activate, kind, [x], { kind });
      expectGradients(double, [0]);
    }
  },
  [rprelu.name]() {
    const double = new DoubleGraph();
    // On either side of every channel's kink; a slope below 0, between 0 and 1, and above 1.
    const x = double.real([2, 2, 1, 3], values(-2.5, -0.6, 0.2, 0.3, 0.99, 1.7, -0.45, -0.3, -1.2, 0.02, 2, 0.6));
    const perChannel = [[-0.5, 0.1, 0.4] as const, [-0.3, 0.25, 1.5] as const, [0.7, -0.2, 0.1] as const];
    double.graph.add(rprelu, 'f', [x, ...perChannel.map((each) => double.real([3], values(...each)))], {});
    expectGradients(double, [0, 1, 2, 3]);
  },
  // The rule's dx is that through the batch's own statistics, so both ops together are the function.
  [batchNormalize.name]() {
    const double = new DoubleGraph();
    const x = double.real([3, 2, 2, 3], normal(2, 1));
    const [mean, variance] = double.graph.add(batchStatistics, 'statistics', [x], {});
    const [gamma, beta] = [double.real([3]), double.real([3])];
    double.graph.add(batchNormalize, 'bn', [x, mean, variance, gamma, beta], { epsilon: 1e-3 });
    expectGradients(double, [0, 3, 4]);
  },
  [maxPool.name]() {
    for (const [size, stride, pad, out] of [
      [2, 2, 0, [3, 2]],
      [3, 2, 1, [3, 2]],
      [3, 1, 1, [5, 4]],
    ] as const) {
      const double = new DoubleGraph();
      const attributes = { size, stride, padTop: pad, padLeft: pad, outHeight: out[0], outWidth: out[1] };
      double.graph.add(maxPool, 'pool', [double.real([2, 5, 4, 2], distinct)], attributes);
      expectGradients(double, [0]);
    }
  },
  [averagePool.name]() {
    const shape = [2, 5, 4, 2];
    for (const attributes of [
      wholeImage(shape),
      { size: 2, stride: 2, padTop: 0, padLeft: 0, outHeight: 3, outWidth: 2 },
      { size: 3, stride: 1, padTop: 1, padLeft: 1, outHeight: 5, outWidth: 4 },
    ]) {
      const double = new DoubleGraph();
      double.graph.add(averagePool, 'pool', [double.real(shape)], attributes);
      expectGradients(double, [0]);
    }
  },
  [concat.name]() {
    const double = new DoubleGraph();
    double.graph.add(concat, 'both', [double.real([2, 3, 1, 2]), double.real([2, 3, 1, 5])], {});
    expectGradients(double, [0, 1]);
  },
  [strideShortcut.name]() {
    for (const [stride, channels] of [
      [1, 5],
      [2, 3],
      [3, 4],
    ] as const) {
      const double = new DoubleGraph();
      double.graph.add(strideShortcut, 'shortcut', [double.real([2, 5, 4, 3])], { stride, channels });
      expectGradients(double, [0]);
    }
  },
  [dropout.name]() {
    const double = new DoubleGraph();
    const step = double.input({ dtype: 'i32', shape: [1] }, values(5));
    double.graph.add(dropout, 'dropout', [double.real([6, 7]), step], { rate: 0.4, seed: 1, stream: 2 });
    expectGradients(double, [0]);
  },
  [softmaxCrossEntropy.name]() {
    const double = new DoubleGraph();
    const labels = double.input({ dtype: 'i32', shape: [4] }, values(2, 0, -1, 4));
    double.graph.add(softmaxCrossEntropy, 'loss', [double.real([4, 1, 1, 5], distinct), labels], {});
    expectGradients(double, [0]);
    const distilled = new DoubleGraph();
    const counted = distilled.input({ dtype: 'i32', shape: [4] }, values(2, 0, -1, 4));
    const targets = distilled.real([4, 5], values(0.5, 0.1, 0.1, 0, 0.3));
    distilled.graph.add(softmaxCrossEntropy, 'loss', [distilled.real([4, 1, 1, 5], distinct), counted, targets], {});
    expectGradients(distilled, [0]);
    const smoothed = new DoubleGraph();
    const operands = [
      smoothed.real([4, 1, 1, 5], distinct),
      smoothed.input({ dtype: 'i32', shape: [4] }, values(2, 0, -1, 4)),
    ];
    smoothed.graph.add(softmaxCrossEntropy, 'loss', operands, { smoothing: 0.3 });
    expectGradients(smoothed, [0]);
  },
  [addGumbelNoise.name]() {
    const double = new DoubleGraph();
    const step = double.input({ dtype: 'i32', shape: [1] }, values(5));
    double.graph.add(addGumbelNoise, 'noisy', [double.real([4, 4]), step], { noise: 0.7, seed: 1, stream: 2 });
    expectGradients(double, [0]);
  },
  // Long before the sweeps have converged, and after.
  [sinkhorn.name]() {
    for (const [size, temperature, sweeps] of [
      [4, 0.5, 1],
      [5, 0.8, 3],
      [8, 1.5, 20],
    ] as const) {
      const double = new DoubleGraph();
      double.graph.add(sinkhorn, 'plan', [double.real([size, size])], { temperature, sweeps });
      expectGradients(double, [0]);
    }
  },
};

/** Whose gradient is defined, not derived. */
const straightThrough = [
  ...[quantizeSign, quantizeTernary, quantizeTanh, quantizeUnit, dequantize, quantizeBackward],
  // The scale's gradient is that of what is trained in its place.
  ...[learnedScale, quantizeScaled],
  ...[groupFilters, selectedCodewords],
].map((op) => op.name);

/** Without a gradient of their own: gradients, sums and scales that count as constants, what writes to variables. */
const notDifferentiable = [
  'conv2d-input-gradient',
  'conv2d-filter-gradient',
  'sum-rows',
  'fill',
  'activate-gradient',
  'rprelu-gradient',
  // Its gradient is part of batch-normalize's.
  'batch-statistics',
  'update-running-statistics',
  'batch-norm-gradient-sums',
  'batch-norm-gradient',
  'mean-abs',
  'mean-abs-per-channel',
  // Its gradient is part of quantize-tanh's.
  'max-abs-tanh',
  'quantize-tanh-gradient',
  'max-abs-per-sample',
  'quantize-gradient',
  'begin-scale',
  'quantize-scaled-gradient',
  'sign-gradient',
  'ternary-scale',
  'max-pool-gradient',
  'average-pool-gradient',
  'stride-shortcut-gradient',
  'concat-gradient',
  'softmax-cross-entropy-gradient',
  'sgd-step',
  'adam-step',
  'measure-ceiling',
  'group-filters-gradient',
  'codeword-gradient',
  'plan-gradient',
  'sinkhorn-gradient',
  // What goes back through the assignment takes the plan's gradient for that of the permutation.
  'assign',
  'renew-patterns',
  // Of lowered training graphs, which have their gradients already.
  'add-dequantized',
  'combine-scales',
  'conv2d-filter-gradient-dot',
  'conv2d-filter-gradient-routed',
  'conv2d-levels',
  'filter-offsets',
  'normalize-quantize',
  'normalize-quantize-gradient',
  'normalize-quantize-gradient-levels',
  'normalize-quantize-gradient-sums',
  'routed-bias-gradient',
  'reverse-filter',
];

test('every op is checked by differences, is straight-through, or has no gradient', () => {
  // Deployed networks are not trained; what they share with training has its rule.
  const deployed = Object.keys(runtimeOps).filter((name) => !Object.hasOwn(gradients, name));
  const lists = [Object.keys(differenceChecks), straightThrough, notDifferentiable, deployed].flat();
  expect(lists.sort()).toEqual(Object.keys(ops).sort());
});

test('the ops with a gradient are those that have a rule', () => {
  expect([...Object.keys(differenceChecks), ...straightThrough].sort()).toEqual(Object.keys(gradients).sort());
});

describe('by central differences', () => {
  test.each(Object.entries(differenceChecks))('%s', (_, check) => check());
});

describe('refused', () => {
  test("batch norm with statistics other than its input's", () => {
    const double = new DoubleGraph();
    const x = double.real([4, 2]);
    double.graph.add(batchNormalize, 'bn', [x, ...[0, 1, 2, 3].map(() => double.real([2]))], { epsilon: 1e-3 });
    expect(() => double.differentiate([x])).toThrow('bn: batch norm can be trained only with the statistics');
  });

  test('probabilities', () => {
    const double = new DoubleGraph();
    const labels = double.input({ dtype: 'i32', shape: [2] }, values(0));
    double.graph.add(softmaxCrossEntropy, 'loss', [double.real([2, 5]), labels], {});
    expect(() => double.differentiate([undefined, double.real([2, 5])])).toThrow('only the losses');
  });
});
