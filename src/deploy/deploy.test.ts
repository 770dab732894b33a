/**
 * Deployment on networks with random weights and statistics: the lowered network against the rounded one (the same integers), the
 * rounded one against the float one (close).
 */
import { describe, expect, test } from 'vitest';
import { Plan, Variables } from '../backends/plan.js';
import { createReference } from '../backends/reference.js';
import type { Graph } from '../core/graph.js';
import { arrayOf, type TypedArray } from '../core/tensor.js';
import { fromGraph } from '../formats/deployed-network.js';
import { parseBits } from '../nn/bits.js';
import {
  activation,
  averagePool,
  batchNorm,
  concat,
  conv,
  dense,
  flatten,
  globalAverage,
  maxPool,
  normalize,
  preActivated,
  prelu,
  relu,
  residual,
  sequential,
  stridedShortcut,
} from '../nn/layers/index.js';
import { buildGraph, defineNetwork, type NetworkDefinition, type NetworkDescription } from '../nn/network.js';
import { activationQuantizers, type Quantizer, weightQuantizers } from '../nn/quantizers/index.js';
import { approxSign, rsign } from '../nn/quantizers/sign-activations.js';
import type { Layer, Scope } from '../nn/scope.js';
import { distinctCodewords, isBinary3x3 } from '../ops/codewords.js';
import { meanAbs, quantizeSign } from '../ops/quantize/weights.js';
import { groupFilters } from '../ops/selection/group-filters.js';
import { selectKernels } from '../passes/select-kernels.js';
import { Philox } from '../util/philox.js';
import { lowerNetwork } from './lower.js';
import { roundNetwork } from './round.js';

/** A network of given layers with random parameters and statistics, the signs of gamma mixed and one of them 0. */
function networkOf(
  layers: Layer,
  bits: string,
  options: Pick<NetworkDefinition['options'], 'boundedActivation' | 'activationQuantizer' | 'shortcutActivation'> = {},
): NetworkDefinition {
  return {
    layers,
    input: { height: 9, width: 8, channels: 3 },
    zeroPoints: [120, 3, 250],
    step: 1 / 64,
    options: { bits: parseBits(bits), floatLayers: ['first', 'last'], ...options },
  };
}

function randomContents(graph: Graph, seed: number): Map<string, TypedArray> {
  const random = new Philox(seed, 'deploy');
  return new Map(
    [...graph.variables.values()].map(({ value, initialize }) => {
      const data = arrayOf(value.type);
      initialize(data);
      const last = value.name.split('/').at(-1)!;
      if (last === 'gamma') for (let i = 0; i < data.length; i++) data[i] = i === 1 ? 0 : 2 * random.nextNormal();
      if (last === 'beta' || last === 'bias') for (let i = 0; i < data.length; i++) data[i] = 0.5 * random.nextNormal();
      if (last === 'zeta' || last === 'shift')
        for (let i = 0; i < data.length; i++) data[i] = 0.5 * random.nextNormal();
      if (last === 'step') data.fill(0.2);
      if (last === 'clip') data.fill(2);
      // Slopes below 0, between 0 and 1, and above 1.
      if (value.name.endsWith('rprelu/beta')) for (let i = 0; i < data.length; i++) data[i] = 0.5 + random.nextNormal();
      if (last === 'mean') for (let i = 0; i < data.length; i++) data[i] = random.nextNormal();
      if (last === 'variance') for (let i = 0; i < data.length; i++) data[i] = 1 + 4 * random.next();
      return [value.name, data];
    }),
  );
}

const basic = (pool: Layer[], options = {}): Layer =>
  sequential(
    conv('first', { channels: 8, bias: true }),
    activation('a'),
    conv('a', { channels: 16, ...options }),
    batchNorm('bn'),
    ...pool,
    activation('last'),
    globalAverage('average'),
    dense('last', { outputs: 5 }),
  );

const block = (name: string, channels: number, stride: number): Layer => {
  const body = sequential(
    batchNorm(`${name}/bn1`),
    activation(`${name}/conv1`),
    conv(`${name}/conv1`, { channels, stride, padding: 1 }),
    batchNorm(`${name}/bn2`),
    activation(`${name}/conv2`),
    conv(`${name}/conv2`, { channels, padding: 1 }),
  );
  if (stride === 1) return residual(name, { body });
  return residual(name, { body, shortcut: stridedShortcut(`${name}/shortcut`, { stride, channels }) });
};

const pools = [maxPool('pool', { size: 2 })];

/** The network with other filters of 1 bit. */
const withFilters = (network: NetworkDefinition, weightQuantizer: Quantizer): NetworkDefinition => ({
  ...network,
  options: { ...network.options, weightQuantizer },
});

/** Filters of 7 codewords. */
const grouped: Quantizer = {
  name: 'grouped',
  description: '3x3 filters to the nearest codeword of a sub-codebook, others to their signs',
  quantize({ graph }, name, filter, bits) {
    if (filter.type.shape[0] !== 3) return weightQuantizers.dorefa!.quantize({ graph } as Scope, name, filter, bits);
    const initialize = (data: TypedArray): void => data.set([7, 56, 448, 73, 146, 292, 365]);
    const ids = graph.variable(`${name}/ids`, { dtype: 'i32', shape: [7] }, { role: 'state', initialize });
    const scale = graph.apply(meanAbs, `${name}/scale`, [filter], {});
    return graph.apply(groupFilters, `${name}/levels`, [filter, ids], {}, scale);
  },
};

/** Signs with a scale per output channel. */
const scaled: Quantizer = {
  name: 'scaled',
  description: 'sign(W) with a scale per output channel',
  quantize(scope, name, filter) {
    const positive = (data: TypedArray, random: Philox): void => data.set(data.map(() => 0.02 + 0.3 * random.next()));
    const scale = scope.parameter(`${name}/scale`, [filter.type.shape[3]!], positive);
    return scope.graph.apply(quantizeSign, `${name}/sign`, [filter], {}, scale);
  },
};
const cases: Readonly<Record<string, NetworkDefinition>> = {
  plain: networkOf(basic([]), '1-2-32'),
  'max-pool before the activation': networkOf(basic(pools), '2-3-32'),
  'min(1, |x|)': networkOf(basic([]), '1-2-32', { boundedActivation: 'cabs' }),
  'max-pool before min(1, |x|)': networkOf(basic(pools), '1-2-32', { boundedActivation: 'cabs' }),
  'eight bits': networkOf(basic(pools), '8-8-32'),
  'two groups': networkOf(basic(pools, { groups: 2 }), '1-4-32'),
  dilated: networkOf(basic([], { dilation: 2 }), '4-1-32'),
  'relu and average': networkOf(
    sequential(
      conv('first', { channels: 8 }),
      activation('a'),
      conv('a', { channels: 6 }),
      batchNorm('bn'),
      activation('last', { bounded: false }),
      globalAverage('average'),
      dense('last', { outputs: 4 }),
    ),
    '1-2-32',
  ),
  // What an import makes of (x / 255 - mean) / deviation.
  'an image that is normalised in front of a float layer': {
    ...networkOf(
      sequential(
        normalize('normalised', { steps: [1 / 60, 1 / 50, 1 / 80], offsets: [-2, -0.5, 0.1] }),
        conv('first', { channels: 8, bias: true }),
        activation('last'),
        globalAverage('average'),
        dense('last', { outputs: 4 }),
      ),
      '1-2-32',
    ),
    ...{ zeroPoints: [0, 0, 0], step: 1 },
  },
  'arithmetic behind a batch norm, not bounded': networkOf(
    sequential(
      conv('first', { channels: 8 }),
      activation('a'),
      conv('a', { channels: 6 }),
      batchNorm('bn'),
      normalize('moved', { steps: [3, 1, 2, 1, 1, 5], offsets: [60, 10, 0, -3, 40, 0] }),
      activation('last', { bounded: false }),
      globalAverage('average'),
      dense('last', { outputs: 4 }),
    ),
    '1-2-32',
  ),
  'flattened between a batch norm and its activation': networkOf(
    sequential(
      conv('first', { channels: 8 }),
      batchNorm('bn1'),
      flatten(),
      activation('a'),
      dense('a', { outputs: 9 }),
      batchNorm('bn2'),
      activation('last'),
      dense('last', { outputs: 4 }),
    ),
    '1-2-32',
  ),
  'flattened in front of a relu and a float layer': networkOf(
    sequential(
      conv('first', { channels: 8 }),
      batchNorm('bn'),
      flatten(),
      activation('last', { bounded: false }),
      dense('last', { outputs: 4 }),
    ),
    '1-2-32',
  ),
  'a mean of products, too large to be added as they are': networkOf(
    sequential(
      conv('first', { channels: 8, bias: true }),
      activation('last'),
      conv('last', { channels: 5 }),
      globalAverage('average'),
    ),
    '1-2-32',
  ),
  'a mean of a residual stream': networkOf(
    sequential(
      conv('first', { channels: 8 }),
      residual('block', { body: sequential(activation('a'), conv('a', { channels: 8 }), batchNorm('bn')) }),
      globalAverage('average'),
      dense('last', { outputs: 4 }),
    ),
    '1-2-32',
  ),
  // ResNets in their first form, as other tools train them.
  'relu on the residual stream': networkOf(
    sequential(
      conv('first', { channels: 6 }),
      batchNorm('bn0'),
      relu('relu0'),
      residual('block', { body: sequential(activation('a'), conv('a', { channels: 6 }), batchNorm('bn1')) }),
      relu('relu1'),
      residual('again', { body: sequential(activation('b'), conv('b', { channels: 6 }), batchNorm('bn2')) }),
      activation('last', { bounded: false }),
      globalAverage('average'),
      dense('last', { outputs: 4 }),
    ),
    '1-2-32',
  ),
  'pooled after the activation, flat': networkOf(
    sequential(
      conv('first', { channels: 8 }),
      batchNorm('bn0'),
      activation('a'),
      maxPool('pool0', { size: 2 }),
      conv('a', { channels: 6 }),
      batchNorm('bn'),
      activation('last'),
      maxPool('pool', { size: 3, stride: 2, padding: 1 }),
      flatten(),
      dense('last', { outputs: 4 }),
    ),
    '3-2-32',
  ),
  residual: networkOf(
    sequential(
      conv('first', { channels: 8 }),
      maxPool('pool', { size: 3, stride: 2, padding: 1 }),
      block('b1', 8, 1),
      block('b2', 16, 2),
      batchNorm('bn'),
      activation('last', { bounded: false }),
      globalAverage('average'),
      dense('last', { outputs: 10 }),
    ),
    '1-2-32',
  ),
  'residual with a convolution as shortcut': networkOf(
    sequential(
      conv('first', { channels: 8 }),
      preActivated('block', {
        activation: sequential(batchNorm('block/bn'), activation(['block/conv', 'block/shortcut'])),
        body: conv('block/conv', { channels: 16, stride: 2, padding: 1 }),
        shortcut: conv('block/shortcut', { channels: 16, size: 1, stride: 2, padding: 0 }),
      }),
      batchNorm('bn'),
      activation('last', { bounded: false }),
      globalAverage('average'),
      dense('last', { outputs: 10 }),
    ),
    '1-2-32',
  ),
  'means over windows, of levels and of accumulators': networkOf(
    sequential(
      conv('first', { channels: 8, bias: true }),
      activation('b'),
      averagePool('mean1', { size: 3, stride: 2, padding: 'valid' }),
      batchNorm('bn1'),
      activation('a'),
      conv('a', { channels: 16 }),
      batchNorm('bn2'),
      averagePool('mean2', { size: 2, padding: 'valid' }),
      activation('last'),
      flatten(),
      dense('last', { outputs: 5 }),
    ),
    '1-3-32',
  ),
  'branches of levels': networkOf(
    sequential(
      conv('first', { channels: 8, bias: true }),
      concat('both', [activation('a'), sequential(batchNorm('bn1'), activation('b')), activation('c')]),
      conv('a', { channels: 6 }),
      batchNorm('bn2'),
      activation('last'),
      globalAverage('average'),
      dense('last', { outputs: 5 }),
    ),
    '1-2-32',
  ),
  'branches of real numbers, PReLU': networkOf(
    sequential(
      conv('first', { channels: 8, bias: true }),
      activation('a'),
      concat('both', [conv('a', { channels: 6 }), sequential(conv('b', { channels: 5 }), batchNorm('bn1'))]),
      prelu('prelu'),
      batchNorm('bn2'),
      activation('last', { bounded: false }),
      globalAverage('average'),
      dense('last', { outputs: 5 }),
    ),
    '1-2-32',
  ),
  'the approximate sign': networkOf(basic(pools), '1-1-32', { activationQuantizer: approxSign }),
  'learned thresholds behind a max-pool': networkOf(basic(pools), '1-1-32', { activationQuantizer: rsign }),
  'RPReLU after shortcuts that are pooled': networkOf(
    sequential(
      conv('first', { channels: 8 }),
      block('b1', 8, 1),
      maxPool('pool', { size: 2 }),
      residual('b2', {
        body: sequential(activation('b2/conv'), conv('b2/conv', { channels: 16, padding: 1 })),
        shortcut: stridedShortcut('b2/shortcut', { stride: 1, channels: 16 }),
      }),
      batchNorm('bn'),
      activation('last', { bounded: false }),
      flatten(),
      dense('last', { outputs: 10 }),
    ),
    '1-1-32',
    { activationQuantizer: rsign, shortcutActivation: 'rprelu' },
  ),
  'residual, min(1, |x|)': networkOf(
    sequential(
      conv('first', { channels: 8 }),
      block('b1', 8, 1),
      batchNorm('bn'),
      maxPool('pool', { size: 2 }),
      activation('last'),
      globalAverage('average'),
      dense('last', { outputs: 3 }),
    ),
    '2-2-32',
    { boundedActivation: 'cabs' },
  ),
};

const scaledCases: Readonly<Record<string, NetworkDefinition>> = Object.fromEntries(
  ['plain', 'max-pool before the activation', 'max-pool before min(1, |x|)', 'residual', 'two groups'].map((name) => [
    `${name}, a scale per output channel`,
    withFilters(cases[name]!, scaled),
  ]),
);
const flatLogits = networkOf(
  sequential(
    conv('first', { channels: 8, bias: true }),
    activation('a'),
    conv('a', { channels: 6 }),
    maxPool('pool', { size: 9, stride: 9, padding: 4 }),
    flatten(),
    batchNorm('bn'),
    activation('last'),
    dense('last', { outputs: 5, bias: true }),
  ),
  '1-2-32',
);
/** 2, or the number of bits that is nearest to it. */
const bitsOf = ({ bits: [least, most] = [1, 8] }: Quantizer): number => Math.min(Math.max(2, least), most);

/** Each quantizer of the lists, beside those of DoReFa-Net; codebooks need a selection. */
const listedCases: Readonly<Record<string, NetworkDefinition>> = Object.fromEntries([
  ...Object.values(weightQuantizers)
    .filter(({ name }) => name !== 'codebook')
    .map((quantizer): [string, NetworkDefinition] => {
      const network = networkOf(cases.residual!.layers, `${bitsOf(quantizer)}-2-32`);
      return [`weights of ${quantizer.name}`, withFilters(network, quantizer)];
    }),
  ...Object.values(activationQuantizers).map((activationQuantizer): [string, NetworkDefinition] => [
    `activations of ${activationQuantizer.name}`,
    networkOf(basic(pools), `2-${bitsOf(activationQuantizer)}-32`, { activationQuantizer }),
  ]),
]);
const allCases: Readonly<Record<string, NetworkDefinition>> = {
  ...cases,
  ...scaledCases,
  ...listedCases,
  'steps of both operands, behind a max-pool': withFilters(
    networkOf(basic(pools), '2-2-32', { activationQuantizer: activationQuantizers.lsq! }),
    weightQuantizers.lsq!,
  ),
  'a last layer with a scale per class': {
    ...withFilters(flatLogits, scaled),
    options: { ...flatLogits.options, weightQuantizer: scaled, floatLayers: ['first'] },
  },
  'grouped filters': withFilters(cases.residual!, grouped),
};

/** Every family wherever it fits; the choice for an instruction set is one of these. */
const kernels = ['planes', 'tables', 'dot', 'codebook'] as const;

describe('a deployed network', () => {
  test.each(Object.entries(allCases))('%s: lowered exactly, rounded closely', (_, network) => {
    const { graph } = buildGraph(network, { batch: 1, training: false, seed: 3 });
    const contents = randomContents(graph, 5);
    const rounded = roundNetwork(graph, contents);
    const lowered = lowerNetwork(rounded.graph);
    for (const node of lowered.nodes) for (const value of node.outputs) expect(value.type.dtype).not.toBe('f32');

    // What the file holds has a name for every value, no two the same.
    expect(() => fromGraph(lowered, { classes: [], origin: {} })).not.toThrow();
    const selected = kernels.map((kernel) => selectKernels(lowered, { isa: 'avx512', kernelOf: () => kernel }));
    const [float, before, after, ...fused] = [graph, rounded.graph, lowered, ...selected].map((each) => {
      const variables = new Variables(createReference());
      const plan = new Plan(each, variables);
      for (const [name, data] of contents) variables.get(name)?.set(data);
      return plan;
    });
    const random = new Philox(1, 'images');
    const step = lowered.outputs.get('logits')!.type.encoding!.step;
    let [error, power] = [0, 0];
    for (let i = 0; i < 4; i++) {
      const image = Uint8Array.from({ length: 9 * 8 * 3 }, () => random.nextInt(256));
      for (const plan of [float, before, after, ...fused]) {
        plan!.tensor('images').set(image);
        plan!.run();
      }
      for (const plan of [after!, ...fused]) expect(plan.tensor('logits')).toEqual(before!.tensor('logits'));
      for (const [k, logit] of float!.tensor('logits').entries()) {
        error += (logit - after!.tensor('logits')[k]! * step) ** 2;
        power += logit ** 2;
      }
    }
    // Levels that rounding turned over cost some; these networks are not trained, so a few do.
    expect(Math.sqrt(error / power)).toBeLessThan(0.02);
  });

  test('filters of few codewords keep them when channels are turned; others are turned', () => {
    const turned = (network: NetworkDefinition): Record<string, [boolean, number]> => {
      const { graph } = buildGraph(network, { batch: 1, training: false, seed: 3 });
      const lowered = lowerNetwork(roundNetwork(graph, randomContents(graph, 5)).graph);
      const convolutions = lowered.nodes.filter(({ inputs }) => inputs[1] && isBinary3x3(inputs[1].type));
      return Object.fromEntries(
        convolutions.map(({ name, inputs: [, filter, signs] }) => {
          const levels = lowered.constants.get(filter!)!;
          return [name, [signs !== undefined, distinctCodewords(levels, levels.length / 9).size]];
        }),
      );
    };
    const { 'b1/conv1': few, 'b1/conv2': untouched } = turned(allCases['grouped filters']!);
    expect(few).toEqual([true, 7]);
    // Into a residual stream, where nothing needs to rise.
    expect(untouched).toEqual([false, 7]);
    expect(turned(cases.residual!)['b1/conv1']![0]).toBe(false);
  });

  test('a negative scale is named', () => {
    const { graph } = buildGraph(scaledCases['plain, a scale per output channel']!, {
      ...{ batch: 1, training: false, seed: 3 },
    });
    const contents = randomContents(graph, 5);
    contents.get('a/weights/scale')![2] = -0.5;
    expect(() => roundNetwork(graph, contents)).toThrow('a: a filter with a negative scale cannot be deployed');
  });

  test('what cannot be deployed is named', () => {
    const description: NetworkDescription = {
      ...{ preset: 'digits', bits: '32-32-32', classes: ['0', '1'], zeroPoints: [0], step: 1 },
    };
    const network = defineNetwork(description);
    const { graph } = buildGraph(network, { batch: 1, training: true, seed: 0 });
    expect(() => roundNetwork(graph, randomContents(graph, 1))).toThrow(/cannot be deployed/);
  });
});
