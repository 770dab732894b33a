import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBackend } from '../backends/index.js';
import { Variables } from '../backends/plan.js';
import type { Backend } from '../core/backend.js';
import { type Dataset, type ImageSet, openData } from '../data/index.js';
import { activation, batchNorm, conv, dense, dropout, flatten, maxPool, sequential } from '../nn/layers/index.js';
import type { NetworkDefinition } from '../nn/network.js';
import { activationQuantizers } from '../nn/quantizers/index.js';
import { quantizeScaled } from '../ops/quantize/learned.js';
import { Philox } from '../util/philox.js';
import { type Checkpoint, copyCheckpoint } from './checkpoint.js';
import type { RunDescription } from './config.js';
import { Diagnostics, type LayerDiagnostics } from './diagnostics.js';
import { TrainingSession } from './session.js';
import { type TrainEvent, train } from './trainer.js';

let backend: Backend;
let data: Dataset;
beforeAll(async () => {
  backend = await openBackend({ threads: 1 });
  const digits = await openData('digits');
  data = { ...digits, train: first(digits.train, 200), test: first(digits.test, 50) };
});
afterAll(() => backend.dispose());

function first(set: ImageSet, count: number): ImageSet {
  const size = set.height * set.width * set.channels;
  return { ...set, count, images: set.images.subarray(0, count * size), labels: set.labels.subarray(0, count) };
}

const batch = 4;
const seed = 3;

const network: NetworkDefinition = {
  layers: sequential(
    conv('first', { channels: 6, bias: true }),
    activation('middle'),
    conv('middle', { channels: 8 }),
    batchNorm('bn'),
    maxPool('pool', { size: 2 }),
    activation('weighted'),
    dropout('dropout', { rate: 0.5 }),
    conv('weighted', { channels: 5 }),
    activation('last'),
    flatten(),
    dense('last', { outputs: 3 }),
  ),
  input: { height: 6, width: 6, channels: 1 },
  zeroPoints: [0],
  step: 1 / 255,
  options: {
    bits: { weight: 1, activation: 2, gradient: 4 },
    bitsOf: { weighted: { weight: 2, activation: 3, gradient: 32 } },
    floatLayers: ['first', 'last'],
  },
};

const random = new Philox(1, 'images');
const images = Uint8Array.from({ length: batch * 36 }, () => random.nextInt(256));
const labels = [0, 1, 2, 1];

function newSession(trained: NetworkDefinition = network): TrainingSession {
  return new TrainingSession(backend, trained, {
    ...{ batch, seed, optimizer: { name: 'sgd' }, compute: 'simulated', keepAll: true },
  });
}

describe('a small network', () => {
  let layers: LayerDiagnostics[];
  let again: LayerDiagnostics[];
  /** The session's own tensors of the same step. */
  let tensors: Map<string, Float32Array | Uint8Array>;
  let flipped: number;

  beforeAll(async () => {
    const session = newSession();
    const diagnostics = new Diagnostics(session.variables, network, { batch, seed });
    expect(diagnostics.isEmpty).toBe(false);
    layers = await diagnostics.measure({ images, labels, step: 7 });
    const filter = session.variables.get('middle/filter')!;
    const before = filter.slice();
    await session.step(images, labels, { step: 7, learningRate: 0.5 });
    tensors = new Map();
    for (const node of session.plan.nodes) {
      for (const [i, value] of node.inputs.entries()) {
        if (node.op.name === 'quantize-gradient' && i < 2)
          tensors.set(`${['dy', 'max'][i]} ${node.name}`, copy(session.plan.tensor(value!.name)));
      }
      for (const value of node.outputs) tensors.set(value.name, copy(session.plan.tensor(value.name)));
    }
    flipped = [...filter].filter((w, i) => w >= 0 !== before[i]! >= 0).length / filter.length;
    again = await diagnostics.measure({ images, labels, step: 8 });
    diagnostics.dispose();
    session.dispose();
  });

  const copy = (tensor: ArrayLike<number> & { slice(): unknown }) => tensor.slice() as Float32Array | Uint8Array;
  const distinct = (name: string): number => new Set(tensors.get(name)!).size;

  test('names the quantized layers alone', () => {
    expect(layers.map(({ name }) => name)).toEqual(['middle', 'weighted']);
  });

  test('bias and variance of the gradient', () => {
    const levels = tensors.get('middle/backward/levels')!;
    const float = tensors.get('dy middle/backward/levels')!;
    const max = tensors.get('max middle/backward/levels')!;
    const errors = Array.from(
      levels,
      (q, i) => ((2 * q - 15) / 15) * max[Math.floor(i / (levels.length / batch))]! - float[i]!,
    );
    const mean = (values: Iterable<number>): number => [...values].reduce((sum, v) => sum + v, 0) / float.length;
    const meanError = mean(errors);
    expect(layers[0]!.gradientBias).toBeCloseTo(meanError / mean(float.map(Math.abs)), 5);
    expect(layers[0]!.gradientVariance).toBeCloseTo(
      mean(errors.map((e) => (e - meanError) ** 2)) / mean(Array.from(float, (g) => g * g)),
      5,
    );
    expect(layers[0]!.gradientVariance).toBeGreaterThan(0);
    expect(layers[1]).toMatchObject({ gradientBias: null, gradientVariance: null });
  });

  test('saturation of the input', () => {
    const saturated = (name: string): number => {
      const h = [...tensors.get(name)!];
      return h.filter((v) => v === 0 || v === 1).length / h.length;
    };
    expect(layers[0]!.saturated).toBe(saturated('middle/clip'));
    expect(layers[1]!.saturated).toBe(saturated('weighted/clip'));
  });

  test('used levels', () => {
    expect(layers[0]!.usedLevels).toEqual({
      weights: 2,
      activations: distinct('middle/input/levels'),
      gradients: distinct('middle/backward/levels'),
    });
    expect(layers[1]!.usedLevels).toEqual({
      weights: distinct('weighted/weights/levels'),
      activations: distinct('dropout'),
      gradients: null,
    });
  });

  test('sign flips since the last time', () => {
    expect(layers[0]!.signFlips).toBeNull();
    expect(flipped).toBeGreaterThan(0);
    expect(again[0]!.signFlips).toBe(flipped);
  });
});

test.each(['pact', 'lsq'] as const)('saturation where %s bounds the input', async (name) => {
  const learned = { ...network, options: { ...network.options, activationQuantizer: activationQuantizers[name]! } };
  const session = newSession(learned);
  // LSQ's steps begin with the first batch.
  await session.step(images, labels, { step: 0, learningRate: 0.01 });
  const diagnostics = new Diagnostics(session.variables, learned, { batch, seed });
  const measured = await diagnostics.measure({ images, labels, step: 1 });
  await session.step(images, labels, { step: 1, learningRate: 0.01 });
  const quantizers = session.plan.nodes.filter(({ op }) => op.name === quantizeScaled.name);
  const shares = quantizers.map(({ inputs: [x, scale], attributes }) => {
    const numbers = [...session.plan.tensor(x!.name)];
    const clip = session.plan.tensor(scale!.name)[0]! * attributes.high;
    return numbers.filter((v) => v <= 0 || v >= clip).length / numbers.length;
  });
  expect(measured.map(({ saturated }) => saturated)).toEqual(shares);
  expect(Math.min(...shares)).toBeGreaterThan(0);
  expect(Math.max(...shares)).toBeLessThan(1);
  diagnostics.dispose();
  session.dispose();
});

test('measuring writes no variable', async () => {
  const variables = new Variables(backend);
  const diagnostics = new Diagnostics(variables, network, { batch, seed });
  const before = [...variables.entries()].map(({ name, data: values }) => [name, values.slice()]);
  await diagnostics.measure({ images, labels, step: 0 });
  expect([...variables.entries()].map(({ name, data: values }) => [name, values.slice()])).toEqual(before);
  expect(before.map(([name]) => name)).toContain('bn/mean');
  diagnostics.dispose();
  variables.dispose();
});

describe('in a training', () => {
  function describeRun(bits: string): RunDescription {
    return {
      network: { preset: 'digits', bits, classes: data.classes, zeroPoints: data.zeroPoints, step: data.step },
      training: {
        ...{ data: 'digits', epochs: 2, batch: 32, weightDecay: 0, seed: 1 },
        optimizer: { name: 'adam' },
        schedule: { name: 'constant', learningRate: 0.01 },
        augmentation: { cropPadding: 1, flip: false },
      },
    };
  }

  async function run(bits: string, diagnosticsEvery?: number) {
    const events: TrainEvent[] = [];
    const notices: string[] = [];
    let checkpoint: Checkpoint | undefined;
    const every = diagnosticsEvery === undefined ? {} : { diagnosticsEvery };
    const onNotice = (notice: string): void => void notices.push(notice);
    for await (const event of train({ description: describeRun(bits), data, backend, onNotice, ...every })) {
      if (event.type === 'checkpoint') checkpoint = copyCheckpoint(event.checkpoint);
      else events.push(event);
    }
    return { events, notices, checkpoint: checkpoint! };
  }

  test('a training has the same bits with and without them', async () => {
    const [without, with5] = [await run('1-2-4'), await run('1-2-4', 5)];
    expect(with5.checkpoint).toEqual(without.checkpoint);
    const losses = ({ events }: typeof without) =>
      events.flatMap((event) => (event.type === 'step' ? [event.loss] : []));
    expect(losses(with5)).toEqual(losses(without));
    const found = with5.events.flatMap((event) => (event.type === 'diagnostics' ? [event] : []));
    expect(found.map(({ step }) => step)).toEqual([5, 10]);
    expect(found[1]!.layers.map(({ name }) => name)).toEqual(['conv1', 'conv2']);
    for (const { gradientBias, signFlips, saturated } of found[1]!.layers) {
      expect(Math.abs(gradientBias!)).toBeLessThan(0.1);
      expect(signFlips).toBeGreaterThan(0);
      expect(saturated).toBeGreaterThan(0);
    }
    expect(without.events.some(({ type }) => type === 'diagnostics')).toBe(false);
  });

  test('a float network says that there is nothing to measure', async () => {
    const { events, notices } = await run('32-32-32', 5);
    expect(events.some(({ type }) => type === 'diagnostics')).toBe(false);
    expect(notices.join()).toContain('without quantized layers');
  });
});
