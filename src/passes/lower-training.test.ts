/** The lowered training graph computes what the graph that came in computes. */
import { describe, expect, test } from 'vitest';
import { createReference } from '../backends/reference.js';
import { Graph } from '../core/graph.js';
import { quantized } from '../core/tensor.js';
import { parseBits } from '../nn/bits.js';
import {
  activation,
  batchNorm,
  conv,
  dense,
  dropout,
  flatten,
  globalAverage,
  maxPool,
  preActivated,
  relu,
  residual,
  sequential,
  stridedShortcut,
} from '../nn/layers/index.js';
import type { NetworkDefinition } from '../nn/network.js';
import { activationQuantizers, weightQuantizers } from '../nn/quantizers/index.js';
import type { Layer } from '../nn/scope.js';
import { conv2d } from '../ops/conv2d/conv2d.js';
import type { Compute } from '../train/compute.js';
import { TrainingSession } from '../train/session.js';
import { Philox } from '../util/philox.js';
import { lowerTraining } from './lower-training.js';

/** Bias and batch norm, maxima before and after them, padding of both kinds, dropout on levels, a filter as large as the image. */
const plain = sequential(
  conv('conv0', { channels: 6, padding: 'valid', bias: true }),
  maxPool('pool0', { size: 2 }),
  activation('conv1'),
  conv('conv1', { channels: 35 }),
  batchNorm('bn1'),
  activation('conv2'),
  conv('conv2', { channels: 34, bias: true }),
  batchNorm('bn2'),
  maxPool('pool2', { size: 2 }),
  activation('conv3'),
  dropout('dropout', { rate: 0.5 }),
  conv('conv3', { channels: 9, size: 3, padding: 'valid' }),
  batchNorm('bn3'),
  activation('fc'),
  dense('fc', { outputs: 3 }),
);

function block(name: string, channels: number, stride: number): Layer {
  const body = sequential(
    batchNorm(`${name}/bn1`),
    activation(`${name}/conv1`),
    conv(`${name}/conv1`, { channels, stride, padding: 1 }),
    batchNorm(`${name}/bn2`),
    activation(`${name}/conv2`),
    conv(`${name}/conv2`, { channels, padding: 1 }),
  );
  return residual(name, { body, shortcut: stridedShortcut(`${name}/shortcut`, { stride, channels }) });
}

/** Real residual streams, a stride, an activation that no quantizer follows. */
const residuals = sequential(
  conv('conv0', { channels: 5, padding: 1 }),
  block('block1', 5, 1),
  block('block2', 9, 2),
  batchNorm('bn'),
  activation('fc', { bounded: false }),
  globalAverage('pool'),
  flatten(),
  dense('fc', { outputs: 3 }),
);

/**
 * Levels that two convolutions read and a sum of two products, as in ResNet-18; groups, dilation, a layer with bits of its own,
 * and a value with two activations.
 */
const branches = sequential(
  conv('conv0', { channels: 8, padding: 1 }),
  batchNorm('bn0'),
  preActivated('pre', {
    activation: activation(['left', 'right']),
    body: sequential(conv('left', { channels: 6, padding: 1 })),
    shortcut: conv('right', { channels: 6, size: 1 }),
  }),
  batchNorm('bn1'),
  activation('grouped'),
  conv('grouped', { channels: 6, groups: 2 }),
  batchNorm('bn2'),
  residual('two', {
    body: relu('relu'),
    shortcut: sequential(activation('dilated'), conv('dilated', { channels: 6, dilation: 2 })),
  }),
  batchNorm('bn3'),
  activation('own'),
  conv('own', { channels: 5, stride: 2 }),
  batchNorm('bn4'),
  activation('fc', { bounded: false }),
  globalAverage('pool'),
  dense('fc', { outputs: 3 }),
);

const networks = { plain, residuals, branches };
const sides = { plain: 12, residuals: 8, branches: 7 };

/** A bounded activation with the quantizer of DoReFa-Net, or a quantizer that bounds its input itself. */
type Kind = 'clip' | 'cabs' | 'approx-sign' | 'rsign' | 'clip-sign' | 'swish-sign' | 'pact' | 'lsq';

function networkOf(
  name: keyof typeof networks,
  bits: string,
  kind: Kind,
  shortcutActivation: 'none' | 'rprelu' = 'none',
  weights = 'dorefa',
): NetworkDefinition {
  const isBounded = kind === 'clip' || kind === 'cabs';
  return {
    layers: networks[name],
    input: { height: sides[name], width: sides[name], channels: 2 },
    zeroPoints: [120, 130],
    step: 1 / 60,
    options: {
      bits: parseBits(bits),
      bitsOf: name === 'branches' ? { own: parseBits(isBounded ? '2-3-5' : '2-1-5') } : {},
      floatLayers: ['conv0', 'fc'],
      ...(isBounded ? { boundedActivation: kind } : { activationQuantizer: activationQuantizers[kind]! }),
      shortcutActivation,
      weightQuantizer: weightQuantizers[weights]!,
    },
  };
}

const batch = 3;

function sessionOf(network: NetworkDefinition, compute: Compute): TrainingSession {
  return new TrainingSession(createReference(), network, {
    ...{ batch, seed: 5, compute, optimizer: { name: 'adam' }, weightDecay: 1e-4 },
    keepAll: true,
  });
}

/** Two steps on fixed images; the second begins with parameters and statistics that the first has moved. */
async function trainTwice(session: TrainingSession, side: number): Promise<number[]> {
  const random = new Philox(1, 'lower-training');
  const losses: number[] = [];
  for (const step of [0, 1]) {
    const images = Uint8Array.from({ length: batch * side * side * 2 }, () => random.nextInt(256));
    losses.push(await session.step(images, [0, 2, 1], { step, learningRate: 0.001 }));
  }
  return losses;
}

const cases: readonly [keyof typeof networks, string, Kind, ('none' | 'rprelu')?, string?][] = [
  ...['1-2-4', '1-1-4', '1-2-8', '2-2-4', '8-8-8', '1-2-32', '1-32-4', '32-2-4', '32-32-32'].map(
    (bits): [keyof typeof networks, string, Kind] => ['plain', bits, 'clip'],
  ),
  ['plain', '1-2-4', 'cabs'],
  ['residuals', '1-2-4', 'clip'],
  ['residuals', '2-3-6', 'clip'],
  ['residuals', '1-2-4', 'cabs'],
  ['branches', '1-2-4', 'clip'],
  ['branches', '2-2-8', 'cabs'],
  ['plain', '1-1-4', 'approx-sign'],
  ['plain', '1-1-8', 'rsign'],
  ['residuals', '1-1-4', 'approx-sign', 'rprelu'],
  ['residuals', '1-1-4', 'rsign', 'rprelu'],
  ['branches', '1-1-4', 'rsign'],
  ['residuals', '1-1-4', 'swish-sign'],
  ['plain', '1-2-4', 'pact'],
  ['branches', '2-2-4', 'lsq', 'none', 'lsq'],
  ['residuals', '4-3-8', 'lsq', 'none', 'lsq'],
  ['plain', '8-8-8', 'pact', 'none', 'lsq'],
  ['residuals', '2-2-4', 'clip', 'none', 'ternary'],
  ['plain', '1-2-4', 'pact', 'none', 'xnor'],
  ['plain', '1-1-4', 'approx-sign', 'none', 'swish-sign'],
];

describe.each(cases)('%s %s %s %s %s', (name, bits, kind, shortcut, weights) => {
  const network = networkOf(name, bits, kind, shortcut, weights);
  const [lowBit, simulated] = [sessionOf(network, 'low-bit'), sessionOf(network, 'simulated')];

  test('losses and gradients are the same, but for the order of sums', async () => {
    const ours = await trainTwice(lowBit, sides[name]);
    const expected = await trainTwice(simulated, sides[name]);
    expect(ours[0]).toBe(expected[0]);
    expect(Math.abs(ours[1]! - expected[1]!)).toBeLessThan(1e-5);
    let compared = 0;
    for (const { name: variable, role } of simulated.variables.entries()) {
      if (role !== 'parameter') continue;
      const [own, wanted] = [lowBit, simulated].map((session) => session.plan.tensor(`d/${variable}`));
      const largest = Math.max(...Array.from(wanted!, Math.abs));
      for (let i = 0; i < wanted!.length; i++)
        expect(Math.abs(own![i]! - wanted![i]!), `d/${variable}[${i}]`).toBeLessThanOrEqual(1e-4 * largest);
      compared++;
    }
    expect(compared).toBeGreaterThan(5);
  });
});

const ops = (session: TrainingSession): string[] => session.plan.nodes.map(({ op }) => op.name);

test('with quantized operands no product of a quantized layer stays float, and nothing is between the products', () => {
  const session = sessionOf(networkOf('plain', '1-2-4', 'clip'), 'low-bit');
  const float = session.products.filter(({ kernel }) => kernel === 'float');
  expect(float.map(({ name, reason }) => `${name}: ${reason}`)).toEqual([
    'conv0: its filter is real',
    'fc: its filter is real',
    'fc/dx: its gradient is real',
    'fc/dFilter: its gradient is real',
    'conv3/dFilter: an output of 1 pixels is too small for sums over the pixels of a sample',
    'conv0/dFilter: its gradient is real',
  ]);
  expect(ops(session).filter((op) => ['max-pool', 'quantize-unit', 'max-abs-per-sample'].includes(op))).toEqual([
    // Of conv2, whose bias wants the real gradient, and of conv3, whose output no quantizer of activations follows.
    'max-abs-per-sample',
    'max-abs-per-sample',
  ]);
});

test.each(['approx-sign', 'rsign'] as const)('%s: the same products are low-bit', (kind) => {
  const [session, bounded] = [kind, 'cabs' as const].map((each) =>
    sessionOf(networkOf('plain', '1-1-4', each), 'low-bit'),
  );
  expect(session!.products).toEqual(bounded!.products);
  // With the threshold as its bias the pass between two products leaves batch norm and maximum to themselves.
  if (kind === 'approx-sign') expect(ops(session!)).toEqual(ops(bounded!));
  else expect(ops(session!)).not.toContain('quantize-unit');
});

test.each([
  ['pact', 'dorefa'],
  ['lsq', 'lsq'],
  ['clip', 'ternary'],
] as const)('activations of %s, weights of %s: the same products are low-bit', (kind, weights) => {
  const session = sessionOf(networkOf('plain', '2-2-4', kind, 'none', weights), 'low-bit');
  expect(session.products).toEqual(sessionOf(networkOf('plain', '2-2-4', 'clip'), 'low-bit').products);
});

test('a network without bits is left as it is', () => {
  const network = networkOf('plain', '32-32-32', 'clip');
  expect(ops(sessionOf(network, 'low-bit'))).toEqual(ops(sessionOf(network, 'simulated')));
});

test('a filter whose levels are no power of two stays float', () => {
  const graph = new Graph();
  const x = graph.input('x', quantized([1, 4, 4, 3], { kind: 'levels', max: 3, step: 1 }));
  const filter = graph.input('filter', quantized([3, 3, 3, 2], { kind: 'bipolar', max: 2, step: 1 / 2 }));
  const attributes = { stride: 1, padTop: 1, padLeft: 1, outHeight: 4, outWidth: 4 };
  graph.output('y', graph.apply(conv2d, 'ternary', [x, filter], attributes));
  expect(lowerTraining(graph, { isa: 'avx512' }).products).toEqual([
    { name: 'ternary', product: 'forward', kernel: 'float', reason: 'its filter has 3 levels, no power of two' },
  ]);
});

test('products of a strided and a grouped layer name what keeps them float', () => {
  const { products } = sessionOf(networkOf('branches', '1-2-4', 'clip'), 'low-bit');
  const reasons = Object.fromEntries(products.filter(({ reason }) => reason).map(({ name, reason }) => [name, reason]));
  expect(reasons).toMatchObject({
    'own/dx': 'with a stride it is no convolution of the gradient',
    'grouped/dx': 'filters of 2 groups',
    'grouped/dFilter': 'filters of 2 groups',
  });
});
