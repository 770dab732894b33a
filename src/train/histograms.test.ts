import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBackend } from '../backends/index.js';
import type { Backend } from '../core/backend.js';
import { activation, conv, dense, flatten, sequential } from '../nn/layers/index.js';
import type { NetworkDefinition } from '../nn/network.js';
import { Philox } from '../util/philox.js';
import { Histograms, histogramOf, isHistograms, type LayerHistograms } from './histograms.js';
import { TrainingSession } from './session.js';

describe('histogramOf', () => {
  test('counts every finite number once, between the extremes', () => {
    fc.assert(
      fc.property(fc.float32Array({ minLength: 1 }), (values) => {
        const finite = [...values].filter(Number.isFinite);
        const { min, max, counts } = histogramOf(values);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(finite.length);
        if (finite.length === 0) return;
        expect([min, max]).toEqual([Math.min(...finite), Math.max(...finite)]);
        if (max > min) expect(counts[0]! > 0 && counts.at(-1)! > 0).toBe(true);
      }),
    );
  });

  test('mean and deviation', () => {
    const { mean, deviation, counts } = histogramOf([1, 1, 3, 3]);
    expect([mean, deviation]).toEqual([2, 1]);
    expect([counts[0], counts.at(-1)]).toEqual([2, 2]);
  });

  test('of one number again and again', () => {
    expect(histogramOf([5, 5]).counts[0]).toBe(2);
  });
});

describe('in a step', () => {
  const [batch, seed] = [4, 3];
  const network: NetworkDefinition = {
    layers: sequential(
      conv('first', { channels: 6, bias: true }),
      activation('middle'),
      conv('middle', { channels: 8 }),
      activation('last'),
      flatten(),
      dense('last', { outputs: 3 }),
    ),
    input: { height: 6, width: 6, channels: 1 },
    zeroPoints: [0],
    step: 1 / 255,
    options: { bits: { weight: 1, activation: 2, gradient: 4 }, bitsOf: {}, floatLayers: ['first', 'last'] },
  };
  let backend: Backend;
  let layers: LayerHistograms[];
  /** With a teacher that says what the labels say, and one that says nothing. */
  let sameTargets: LayerHistograms[];
  let otherTargets: LayerHistograms[];
  let tensors: Record<string, Float32Array>;

  beforeAll(async () => {
    backend = await openBackend({ threads: 1 });
    const random = new Philox(1, 'images');
    const images = Uint8Array.from({ length: batch * 36 }, () => random.nextInt(256));
    const session = new TrainingSession(backend, network, {
      ...{ batch, seed, optimizer: { name: 'sgd' }, compute: 'simulated', keepAll: true },
    });
    const histograms = new Histograms(session.variables, network, { batch, seed });
    const labels = [0, 1, 2, 1];
    const parameters = session.variables.get('middle/filter')!.slice() as Float32Array;
    layers = await histograms.measure({ images, labels, step: 7 });
    expect(session.variables.get('middle/filter')).toEqual(parameters);
    const distilled = new Histograms(session.variables, network, { batch, seed, distilled: true });
    const targets = Float32Array.from({ length: 3 * batch }, (_, i) => (labels[Math.floor(i / 3)] === i % 3 ? 1 : 0));
    sameTargets = await distilled.measure({ images, labels, step: 7, targets });
    otherTargets = await distilled.measure({ images, labels, step: 7, targets: targets.fill(1 / 3) });
    distilled.dispose();
    await session.step(images, labels, { step: 7, learningRate: 0.1 });
    const levels = session.plan.tensor('middle/input/levels');
    tensors = { parameters, activations: Float32Array.from(levels, (q) => Math.fround(q / 3)) };
    histograms.dispose();
    session.dispose();
  });
  afterAll(() => backend.dispose());

  test('has what each layer multiplies', () => {
    expect(layers.map(({ name }) => name)).toEqual(['first', 'middle', 'last']);
    const [first, middle, last] = layers as [LayerHistograms, LayerHistograms, LayerHistograms];
    expect(first).toMatchObject({ weights: null, activations: null });
    expect(last.weights).toBeNull();
    expect(middle.parameters).toEqual(histogramOf(tensors.parameters!));
    expect(middle.activations).toEqual(histogramOf(tensors.activations!));
    const scale = tensors.parameters!.reduce((sum, w) => sum + Math.abs(w), 0) / tensors.parameters!.length;
    expect(middle.weights!.max).toBeCloseTo(scale, 6);
    expect(middle.weights!.min).toBe(-middle.weights!.max);
    // Two spikes of 1-bit weights.
    expect(middle.weights!.counts.filter((count) => count > 0)).toHaveLength(2);
    for (const { gradients } of layers) expect(gradients!.deviation).toBeGreaterThan(0);
  });

  test('gradients are those of the targets where there is a teacher', () => {
    for (const [i, { gradients }] of layers.entries()) {
      expect(sameTargets[i]!.gradients!.deviation).toBeCloseTo(gradients!.deviation, 6);
      expect(otherTargets[i]!.gradients).not.toEqual(gradients);
    }
  });

  test('goes through JSON, and what is none is seen', () => {
    const [layer] = JSON.parse(JSON.stringify(layers)) as LayerHistograms[];
    expect(isHistograms([layer])).toBe(true);
    for (const wrong of [
      null,
      [null],
      [{ ...layer, name: 1 }],
      [{ ...layer, parameters: null }],
      [{ ...layer, gradients: { ...layer!.gradients, counts: [1.5] } }],
      [{ ...layer, gradients: { ...layer!.gradients, counts: new Array(5000).fill(0) } }],
      [{ ...layer, gradients: { ...layer!.gradients, min: 'x' } }],
    ])
      expect(isHistograms(wrong), JSON.stringify(wrong)).toBe(false);
  });
});
