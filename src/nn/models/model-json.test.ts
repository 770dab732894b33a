/** Networks in JSON: what they build, and that every mistake is named by its place. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../util/errors.js';
import { buildGraph, defineNetwork, type NetworkDescription, openNetwork } from '../network.js';
import { summarize } from '../summary.js';
import { layerKinds } from './layer-table.js';
import { presetOfJson } from './model-json.js';

const input = { height: 8, width: 8, channels: 3 };
const conv = (name: string, options = {}) => ({ layer: 'conv', name, options: { channels: 4, ...options } });
const act = (next: string | string[]) => ({ layer: 'activation', options: { next } });
const end = [{ layer: 'flatten' }, { layer: 'dense', name: 'fc', options: { outputs: 'classes' } }];

function describeModel(json: unknown): NetworkDescription {
  return { preset: 'mine', model: { json }, bits: '1-2-4', classes: ['a', 'b', 'c'], zeroPoints: [0], step: 1 / 255 };
}

function build(layers: unknown[]) {
  return buildGraph(defineNetwork(describeModel({ input, layers })), { batch: 2, training: true, seed: 1 });
}

test('every layer and every container has its place', () => {
  const { graph } = build([
    conv('first', { bias: true }),
    { layer: 'maxPool', name: 'pool', options: { size: 2, padding: 'valid' } },
    {
      layer: 'residual',
      name: 'sum1',
      body: [{ layer: 'batchNorm', name: 'bn1', options: { epsilon: 1e-4 } }, act('conv1'), conv('conv1')],
    },
    {
      layer: 'preActivated',
      name: 'sum2',
      activation: [act(['conv2', 'short'])],
      body: [conv('conv2', { channels: 6 })],
      shortcut: [conv('short', { channels: 6, size: 1 })],
    },
    {
      layer: 'residual',
      name: 'sum3',
      body: [act('conv3'), conv('conv3', { channels: 7 })],
      shortcut: [{ layer: 'stridedShortcut', name: 'taken', options: { stride: 1, channels: 7 } }],
    },
    {
      layer: 'concat',
      name: 'both',
      branches: [[{ layer: 'rprelu', name: 'r' }], [{ layer: 'prelu', name: 'p' }], [{ layer: 'relu', name: 'relu' }]],
    },
    { layer: 'averagePool', name: 'mean', options: { size: 2, stride: 1 } },
    { layer: 'dropout', name: 'drop', options: { rate: 0.1 } },
    { layer: 'sequential', layers: [act('fc'), { layer: 'globalAverage', name: 'average' }] },
    ...end,
  ]);
  const layers = summarize(graph).layers.filter(({ macs }) => macs > 0);
  expect(layers.map(({ name, weightBits }) => [name, weightBits])).toEqual([
    ['first', 32],
    ...['conv1', 'short', 'conv2', 'conv3'].map((name) => [name, 1]),
    ['fc', 32],
  ]);
  expect(layers.at(-1)!.outputShape).toEqual([3]);
  expect(layers.at(-1)!.parameters).toBe(3 * 7 * 3);
  const [prelu] = summarize(graph).layers.filter(({ op }) => op === 'prelu');
  expect(prelu).toMatchObject({ name: 'p', parameters: 7 });
});

test('a description with a model is opened like any other', async () => {
  const description = describeModel({ input, layers: [conv('first'), act('fc'), ...end] });
  expect((await openNetwork(description)).input).toEqual(input);
});

const deep = (depth: number): unknown => (depth === 0 ? conv('c') : { layer: 'sequential', layers: [deep(depth - 1)] });

describe('refused, by its place:', () => {
  test.each<[string, unknown]>([
    ['it must be an object, not 7', 7],
    ['it has the unknown key "layer"; did you mean \'layers\'?', { input, layer: [] }],
    ['input must be an object, not undefined', { layers: [] }],
    ['input.height must be an integer in 1..4096, not 1000000000', { input: { ...input, height: 1e9 }, layers: [] }],
    ['input.channels must be an integer in 1..4, not "3"', { input: { ...input, channels: '3' }, layers: [] }],
    ['layers must be a list of at least one layer, not []', { input, layers: [] }],
    ['layers must have a conv or a dense layer', { input, layers: [{ layer: 'flatten' }] }],
  ])('%s', (message, json) => {
    expect(() => presetOfJson('mine', json)).toThrow(UsageError);
    expect(() => presetOfJson('mine', json)).toThrow(`model mine: ${message}`);
  });

  test.each<[string, unknown]>([
    ['layers[0] must be an object, not null', null],
    ['layers[0].layer is "cnov", no layer; did you mean \'conv\'?', { layer: 'cnov' }],
    ['layers[0].layer is "constructor", no layer', { layer: 'constructor' }],
    ['layers[0].name must be a name of letters', { layer: 'conv', options: { channels: 4 } }],
    ['layers[0].name must be a name of letters', conv('../x y')],
    ['layers[0].options.channels is missing; it must be an integer in 1..65536', { layer: 'conv', name: 'a' }],
    ['layers[0].options.stride must be an integer in 1..64, not "2"', conv('a', { stride: '2' })],
    ['layers[0].options has the unknown key "strid"; did you mean \'stride\'?', conv('a', { strid: 2 })],
    ["layers[0].options.padding must be 'same', 'valid' or an integer in 0..64, not -1", conv('a', { padding: -1 })],
    ['layers[0] has the unknown key "nam"', { ...conv('a'), nam: 1 }],
    ['layers[0] has the unknown key "name"', { layer: 'flatten', name: 'f' }],
    ['layers[0].options.next names "b", which is no layer with weights (fc)', act('b')],
    ['layers[0].body must be a list of at least one layer', { layer: 'residual', name: 'r' }],
    ['layers[0].branches must be a list of at least two', { layer: 'concat', name: 'r', branches: [[]] }],
    [
      'layers[0].branches[1][0].options.rate must be a number of at least 0 and below 1, not 1',
      { layer: 'concat', name: 'r', branches: [[conv('a')], [{ layer: 'dropout', name: 'd', options: { rate: 1 } }]] },
    ],
    ['lies 17 layers deep; 16 are the most', deep(20)],
  ])('%s', (message, layer) => {
    expect(() => presetOfJson('mine', { input, layers: [layer, ...end] })).toThrow(message);
  });

  test('a value that is nested more deeply than it can be shown', () => {
    const value: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    expect(() => presetOfJson('mine', { input: { ...input, height: value }, layers: [] })).toThrow(
      'model mine: input.height must be an integer in 1..4096, not a deeply nested value',
    );
  });

  test('a name that is taken', () => {
    expect(() => build([conv('a'), act('a'), conv('a'), ...end])).toThrow(
      'model mine: layers[2].name is "a" again; names must differ',
    );
  });

  test('more layers than anybody needs', () => {
    const layers = Array.from({ length: 2001 }, (_, i) => conv(`c${i}`));
    expect(() => presetOfJson('mine', { input, layers })).toThrow(
      'layers[2000] is one layer too many; 2000 are the most',
    );
  });

  test('more parameters than memory may hold, before any is taken', () => {
    const wide = { channels: 65536 };
    expect(() => build([conv('a', wide), conv('b', wide), ...end])).toThrow(
      /has \d+ parameters; 268435456 are the most/,
    );
  });

  test('code that was not loaded', () => {
    const code = { file: 'a.mjs', source: '', sha256: '' };
    expect(() => defineNetwork({ ...describeModel({}), model: { code } })).toThrow('open it with openNetwork');
  });
});

test('options that layers require are refused when they are missing', () => {
  const missing = Object.entries(layerKinds).flatMap(([layer, { options, isNamed }]) =>
    Object.values(options).some(({ isRequired }) => isRequired) ? [{ layer, ...(isNamed ? { name: 'a' } : {}) }] : [],
  );
  expect(missing.length).toBeGreaterThan(4);
  for (const each of missing)
    expect(() => presetOfJson('mine', { input, layers: [each, ...end] }), each.layer).toThrow(
      /options\.\w+ is missing/,
    );
});

test('docs/models.md lists every layer, and its example is a network', () => {
  const text = readFileSync(new URL('../../../docs/models.md', import.meta.url), 'utf8');
  for (const [layer, { options }] of Object.entries(layerKinds))
    for (const word of [layer, ...Object.keys(options)]) expect(text, layer).toContain(`\`${word}\``);
  const json: unknown = JSON.parse(/```json\n([^`]*)```/.exec(text)![1]!);
  const { graph } = buildGraph(defineNetwork(describeModel(json)), { batch: 1, training: true, seed: 1 });
  expect(summarize(graph).layers.filter(({ macs }) => macs > 0)).toHaveLength(4);
});
