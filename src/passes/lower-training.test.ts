/** The lowered training graph computes what the graph that came in computes. */
import { describe, expect, test } from 'vitest';
import { createReference } from '../backends/reference.js';
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
  residual,
  sequential,
  stridedShortcut,
} from '../nn/layers/index.js';
import type { NetworkDefinition } from '../nn/network.js';
import type { Layer } from '../nn/scope.js';
import type { Compute } from '../train/compute.js';
import { TrainingSession } from '../train/session.js';
import { Philox } from '../util/philox.js';

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

const sides = { plain: 12, residuals: 8 };

function networkOf(name: keyof typeof sides, bits: string, boundedActivation: 'clip' | 'cabs'): NetworkDefinition {
  return {
    layers: { plain, residuals }[name],
    input: { height: sides[name], width: sides[name], channels: 2 },
    zeroPoints: [120, 130],
    step: 1 / 60,
    options: { bits: parseBits(bits), floatLayers: ['conv0', 'fc'], boundedActivation },
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
function trainTwice(session: TrainingSession, side: number): number[] {
  const random = new Philox(1, 'lower-training');
  return [0, 1].map((step) => {
    const images = Uint8Array.from({ length: batch * side * side * 2 }, () => random.nextInt(256));
    return session.step(images, [0, 2, 1], { step, learningRate: 0.001 });
  });
}

const cases = [
  ...['1-2-4', '1-1-4', '1-2-8', '2-2-4', '8-8-8', '1-2-32', '1-32-4', '32-2-4', '32-32-32'].map(
    (bits) => ['plain', bits, 'clip'] as const,
  ),
  ['plain', '1-2-4', 'cabs'],
  ['residuals', '1-2-4', 'clip'],
  ['residuals', '2-3-6', 'clip'],
] as const;

describe.each(cases)('%s %s %s', (name, bits, kind) => {
  const network = networkOf(name, bits, kind);
  const [lowBit, simulated] = [sessionOf(network, 'low-bit'), sessionOf(network, 'simulated')];

  test('losses and gradients are the same, but for the order of sums', () => {
    const [ours, expected] = [lowBit, simulated].map((session) => trainTwice(session, sides[name])) as [
      number[],
      number[],
    ];
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

test('a network without bits is left as it is', () => {
  const network = networkOf('plain', '32-32-32', 'clip');
  expect(ops(sessionOf(network, 'low-bit'))).toEqual(ops(sessionOf(network, 'simulated')));
});
