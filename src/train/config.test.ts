/** Runs of earlier versions, and which parameters decay how much. */
import { expect, test } from 'vitest';
import { buildGraph, defineNetwork } from '../nn/network.js';
import { adamStep } from '../ops/optimizer/optimizer.js';
import { currentDescription, type RunDescription } from './config.js';
import { addTraining, type SessionOptions } from './session.js';

const network = { preset: 'digits', bits: '1-2-4', classes: ['0', '1'], zeroPoints: [0], step: 1 / 255 };

/** By parameter, those that decay. */
function decaysOf(options: Pick<SessionOptions, 'weightDecay' | 'decayOf'>): Record<string, number> {
  const built = buildGraph(defineNetwork(network), { batch: 1, training: true, seed: 1 });
  addTraining(built, { batch: 1, seed: 1, optimizer: { name: 'adam' }, ...options });
  const steps = built.graph.nodes.filter(({ op, attributes }) => op === adamStep && attributes.decay > 0);
  return Object.fromEntries(steps.map(({ inputs, attributes }) => [inputs[0]!.name, attributes.decay]));
}

test('weight decay is that of all filters', () => {
  expect(decaysOf({ weightDecay: 0.1 })).toEqual({
    ...{ 'conv0/filter': 0.1, 'conv1/filter': 0.1, 'conv2/filter': 0.1, 'fc/filter': 0.1 },
  });
});

test('the longest beginning counts, biases and batch norms never decay', () => {
  const decayOf = { conv: 0.2, conv2: 0, fc: 0.3 };
  expect(decaysOf({ weightDecay: 0.1, decayOf })).toEqual({
    ...{ 'conv0/filter': 0.2, 'conv1/filter': 0.2, 'fc/filter': 0.3 },
  });
});

test('a beginning that no filter has is refused', () => {
  expect(() => decaysOf({ decayOf: { conv9: 1 } })).toThrow(
    "weight decay: no layer's name begins with 'conv9' (filters:",
  );
});

test("an earlier run's prefix becomes a group", () => {
  const saved = { network, training: { weightDecay: 1e-7, decayed: 'fc', epochs: 3 } } as unknown as RunDescription;
  expect(currentDescription(saved)).toEqual({
    network,
    training: { weightDecay: 0, decayOf: { fc: 1e-7 }, epochs: 3 },
  });
  const current = { network, training: { weightDecay: 1e-7, epochs: 3 } } as unknown as RunDescription;
  expect(currentDescription(current)).toEqual(current);
});
