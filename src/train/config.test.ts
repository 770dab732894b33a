/** Runs of earlier versions, and which parameters decay how much. */
import { expect, test } from 'vitest';
import { buildGraph, defineNetwork } from '../nn/network.js';
import { adamStep } from '../ops/optimizer/optimizer.js';
import { FormatError } from '../util/errors.js';
import { currentDescription } from './config.js';
import { addTraining, type SessionOptions } from './session.js';

const network = { preset: 'digits', bits: '1-2-4', classes: ['0', '1'], zeroPoints: [0], step: 1 / 255 };

const training = {
  ...{ data: 'digits', epochs: 3, batch: 32, seed: 0, optimizer: { name: 'adam' } },
  ...{ schedule: { name: 'constant', learningRate: 0.1 }, augmentation: { cropPadding: 0, flip: false } },
};

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
  const saved = { network, training: { ...training, weightDecay: 1e-7, decayed: 'fc' } };
  expect(currentDescription(saved)).toEqual({
    network,
    training: { ...training, weightDecay: 0, decayOf: { fc: 1e-7 } },
  });
  const current = { network, training: { ...training, weightDecay: 1e-7 } };
  expect(currentDescription(current)).toEqual(current);
});

test.each<[string, unknown]>([
  ['description is nothing, not an object', undefined],
  ['description is [], not an object', []],
  ['network is nothing, not an object', {}],
  ['network.preset is nothing, not a text', { network: {}, training: {} }],
  ['network.bits is 1, not a text', { network: { ...network, bits: 1 }, training }],
  ['network.classes is "ab", not a list of texts', { network: { ...network, classes: 'ab' }, training }],
  ['network.classes is ["a",2], not a list of texts', { network: { ...network, classes: ['a', 2] }, training }],
  ['network.zeroPoints is [null], not a list of numbers', { network: { ...network, zeroPoints: [null] }, training }],
  ['network.step is 0, not a number > 0', { network: { ...network, step: 0 }, training }],
  ['training is null, not an object', { network, training: null }],
  ['training.data is nothing, not a text', { network, training: {} }],
  ['training.epochs is "3", not an integer >= 1', { network, training: { ...training, epochs: '3' } }],
  ['training.batch is 0, not an integer >= 1', { network, training: { ...training, batch: 0 } }],
  ['training.optimizer is "adam", not an object', { network, training: { ...training, optimizer: 'adam' } }],
  ['training.schedule is nothing, not an object', { network, training: { ...training, schedule: undefined } }],
  ['training.augmentation is [], not an object', { network, training: { ...training, augmentation: [] } }],
  ['training.seed is 0.5, not an integer >= 0', { network, training: { ...training, seed: 0.5 } }],
])('what is no description is refused: its %s', (rule, saved) => {
  expect(() => currentDescription(saved)).toThrow(FormatError);
  expect(() => currentDescription(saved, "'a/run.json'")).toThrow(
    new FormatError(`'a/run.json' is damaged: its ${rule}`),
  );
});
