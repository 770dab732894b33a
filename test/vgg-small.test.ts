/**
 * The preset vgg-small trains by its own recipe, with all that binary networks may choose: it learns a few
 * images by heart, and every parameter moves.
 */
import { expect, test } from 'vitest';
import { openBackend } from '../src/backends/index.js';
import { presets } from '../src/nn/models/index.js';
import { defineNetwork } from '../src/nn/network.js';
import { TrainingSession } from '../src/train/session.js';
import { Philox } from '../src/util/philox.js';

const batch = 8;

test.each([
  ['dorefa', 'none'],
  ['rsign', 'rprelu'],
] as const)('with the quantizer %s and the shortcut activation %s', async (activationQuantizer, shortcutActivation) => {
  const options = { bits: '1-1-4', activationQuantizer, shortcutActivation };
  const classes = Array.from({ length: 10 }, (_, i) => String(i));
  const network = defineNetwork({ preset: 'vgg-small', ...options, classes, zeroPoints: [128], step: 1 / 64 });
  const backend = await openBackend({ threads: 2 });
  const { optimizer } = presets['vgg-small']!.training;
  const session = new TrainingSession(backend, network, { batch, seed: 1, optimizer, compute: 'low-bit' });
  const random = new Philox(1, 'images');
  const images = Uint8Array.from({ length: batch * 32 * 32 * 3 }, () => random.nextInt(256));
  const labels = Int32Array.from({ length: batch }, (_, i) => i);
  const parameters = [...session.variables.entries()].filter(({ role }) => role === 'parameter');
  const before = parameters.map(({ name }) => session.variables.get(name)!.slice());
  const losses: number[] = [];
  for (let step = 0; step < 5; step++) losses.push(await session.step(images, labels, { step, learningRate: 0.01 }));
  const still = parameters.filter(({ name }, i) => session.variables.get(name)!.join() === before[i]!.join());
  session.dispose();
  backend.dispose();
  expect(losses[0]!).toBeGreaterThan(1.5);
  expect(still.map(({ name }) => name)).toEqual([]);
  expect(losses.at(-1)!).toBeLessThan(0.3);
});
