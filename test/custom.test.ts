/** A user's own quantizer and layer (examples/custom-layers.ts) in a network that trains. */
import { expect, test } from 'vitest';
import { parallel, plainSign } from '../examples/custom-layers.js';
import { createReference } from '../src/backends/reference.js';
import {
  activation,
  batchNorm,
  buildGraph,
  conv,
  dense,
  globalAverage,
  parseBits,
  sequential,
  summarize,
} from '../src/nn/index.js';
import type { NetworkDefinition } from '../src/nn/network.js';
import { TrainingSession } from '../src/train/session.js';

const network: NetworkDefinition = {
  layers: sequential(
    conv('conv0', { channels: 4 }),
    batchNorm('bn0'),
    activation('left'),
    parallel('both', conv('left', { channels: 8 }), conv('right', { channels: 8, size: 1 })),
    batchNorm('bn1'),
    activation('fc'),
    globalAverage('pool'),
    dense('fc', { outputs: 2 }),
  ),
  input: { height: 6, width: 6, channels: 1 },
  zeroPoints: [0],
  step: 1 / 255,
  options: { bits: parseBits('1-2-4'), floatLayers: ['conv0', 'fc'], weightQuantizer: plainSign },
};

test('the quantizer is used: 1-bit weights without a scale', () => {
  const { graph } = buildGraph(network, { batch: 1, training: true, seed: 1 });
  const left = graph.nodes.find((node) => node.name === 'left')!;
  expect(left.inputs[1]!.type.encoding).toMatchObject({ kind: 'bipolar', max: 1 });
  expect(left.inputs[3]).toBeUndefined();
  expect(summarize(graph).layers.find(({ name }) => name === 'right')).toMatchObject({
    weightBits: 1,
    activationBits: 2,
  });
});

test('the network learns to tell bright from dark', async () => {
  const session = new TrainingSession(createReference(), network, { batch: 8, seed: 1, optimizer: { name: 'adam' } });
  const labels = Int32Array.from({ length: 8 }, (_, i) => i % 2);
  const images = Uint8Array.from({ length: 8 * 36 }, (_, i) => (Math.floor(i / 36) % 2) * 150 + ((i * 37) % 60));
  const losses: number[] = [];
  for (let step = 0; step < 30; step++) losses.push(await session.step(images, labels, { step, learningRate: 0.01 }));
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 4);
});
