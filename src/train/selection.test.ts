/** Training with a selection of codewords: what must hold whatever is chosen, on native kernels and on the reference. */
import { createHash } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { openBackend } from '../backends/index.js';
import { createReference } from '../backends/reference.js';
import type { Backend } from '../core/backend.js';
import { openData, prepareDataset } from '../data/index.js';
import { presets } from '../nn/models/index.js';
import { defineNetwork, type NetworkDescription } from '../nn/network.js';
import { numCodewords } from '../ops/codewords.js';
import { renewalAt } from '../optim/renewals.js';
import { type Renewal, TrainingSession } from './session.js';

const batch = 16;
const data = prepareDataset(await openData('digits'), presets.digits!.input);
const { classes, zeroPoints, step } = data;
const bytes = data.train.images.length / data.train.labels.length;
const native = await openBackend({ threads: 2 });
afterAll(() => native.dispose());

interface Settings extends Partial<NetworkDescription> {
  readonly backend?: Backend;
  readonly steps?: number;
  readonly every?: number;
  readonly compute?: 'low-bit' | 'simulated';
}

/** Trains, and calls `onStep` after every step. */
async function train(
  settings: Settings,
  onStep: (session: TrainingSession, i: number, renewal?: Renewal) => unknown = () => {},
) {
  const { backend = native, steps = 24, every = 2, compute = 'low-bit', ...own } = settings;
  const network = defineNetwork({ preset: 'digits', bits: '1-2-4', classes, zeroPoints, step, ...own });
  const optimizer = { name: 'adam' } as const;
  const session = new TrainingSession(backend, network, { batch, seed: 3, compute, optimizer, keepAll: true });
  const isRenewed = own.codewords !== undefined && own.selection?.method !== 'fixed';
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const images = data.train.images.subarray(i * batch * bytes, (i + 1) * batch * bytes);
    const labels = data.train.labels.subarray(i * batch, (i + 1) * batch);
    const renewal = isRenewed && i % every === 0 ? { index: i / every, learningRate: 0.3 } : undefined;
    losses.push(await session.step(images, labels, { step: i, learningRate: 0.01, renewal }));
    await onStep(session, i, renewal);
  }
  const hash = createHash('sha256');
  for (const { name, data } of session.variables.entries())
    hash.update(name).update(new Uint8Array(data.slice().buffer));
  const codewords = await session.codewords();
  session.dispose();
  return { losses, codewords, bits: hash.digest('hex') };
}

const cases: readonly (readonly [string, Partial<NetworkDescription>])[] = [
  ['learned', { codewords: 12, selection: { pull: 0, sweeps: 2 } }],
  [
    'learned, with noise and pull',
    { codewords: 33, selection: { columns: 'all', noise: 0.2, sweeps: 3, temperature: 0.5 } },
  ],
  ['learned, one scale per channel', { bits: '1-2-32', codewords: 12, selection: { pull: 0, sweeps: 2 } }],
  ['nearest', { codewords: 12, selection: { method: 'nearest' } }],
  ['patterns', { codewords: 12, selection: { method: 'patterns' } }],
];

describe.each(cases)('%s', (_, settings) => {
  test('there are n distinct codewords after every step, filters have no others, and only renewals change them', async () => {
    let before: Readonly<Record<string, readonly number[]>> | undefined;
    let changed = 0;
    await train(settings, async (session, _, renewal) => {
      const codewords = await session.codewords();
      expect(Object.keys(codewords)).toEqual(['conv1', 'conv2']);
      for (const [layer, ids] of Object.entries(codewords)) {
        expect(new Set(ids).size).toBe(settings.codewords);
        expect(ids.every((id) => Number.isInteger(id) && id >= 0 && id < numCodewords)).toBe(true);
        const index = session.plan.tensor(`${layer}/weights/grouped.index`);
        expect(Math.max(...index)).toBeLessThan(settings.codewords!);
      }
      if (before && !renewal) expect(codewords).toEqual(before);
      else if (before && JSON.stringify(codewords) !== JSON.stringify(before)) changed++;
      before = codewords;
    });
    expect(changed).toBeGreaterThan(0);
  });

  test('the same seed selects the same', async () => {
    const [first, second] = [await train(settings), await train(settings)];
    expect(second.codewords).toEqual(first.codewords);
    expect(second.bits).toBe(first.bits);
  });

  test('kernels select as the reference does', async () => {
    // Few steps: afterwards a rounding may decide.
    const short = { ...settings, steps: 2, every: 1, compute: 'simulated' } as const;
    const [kernels, reference] = [await train(short), await train({ ...short, backend: createReference() })];
    expect(kernels.codewords).toEqual(reference.codewords);
    expect(Math.abs(kernels.losses[1]! - reference.losses[1]!)).toBeLessThan(1e-4);
  });

  test('low-bit kernels give the simulated losses', async () => {
    const short = { ...settings, steps: 2, every: 1 };
    const [lowBit, simulated] = [await train(short), await train({ ...short, compute: 'simulated' })];
    expect(lowBit.codewords).toEqual(simulated.codewords);
    expect(Math.abs(lowBit.losses[1]! - simulated.losses[1]!)).toBeLessThan(1e-4);
  });
});

describe('all 512 codewords are plain binarization', () => {
  const settings = { backend: createReference(), compute: 'simulated', steps: 3 } as const;
  let plain: readonly number[] | undefined;
  test.each(['learned', 'nearest', 'fixed'] as const)('%s', async (method) => {
    const selected = await train({ ...settings, codewords: numCodewords, selection: { method, sweeps: 1 } });
    plain ??= (await train(settings)).losses;
    // Filters stay within -1 .. 1, where the clipped estimator passes everything.
    expect(selected.losses).toEqual(plain);
  });
});

test('wide layers of few codewords multiply on the codebook kernel, with the simulated losses', async () => {
  const network = defineNetwork({ preset: 'vgg-small', bits: '1-1-4', classes, zeroPoints, step, codewords: 16 });
  const images = new Uint8Array(2 * 32 * 32 * 3).map((_, i) => (i * 7919) % 251);
  const lossesOf = async (compute: 'low-bit' | 'simulated') => {
    const session = new TrainingSession(native, network, { batch: 2, seed: 1, compute, optimizer: { name: 'sgd' } });
    const losses: number[] = [];
    for (const i of [0, 1]) {
      const renewal = { index: i, learningRate: 0.1 };
      losses.push(await session.step(images, [1, 2], { step: i, learningRate: 0.01, renewal }));
    }
    const kernels = new Set(session.products.map(({ kernel }) => kernel));
    session.dispose();
    return { losses, kernels };
  };
  const [lowBit, simulated] = [await lossesOf('low-bit'), await lossesOf('simulated')];
  expect(lowBit.kernels.has('codebook')).toBe(native.isa !== 'portable');
  for (const [i, loss] of lowBit.losses.entries()) expect(Math.abs(loss - simulated.losses[i]!)).toBeLessThan(1e-4);
}, 30_000);

test('a stage shares a sub-codebook', async () => {
  const network = { preset: 'resnet20', bits: '1-1-4', classes, zeroPoints, step, codewords: 16 } as const;
  const definition = defineNetwork({ ...network, selection: { share: 'stage' } });
  const session = new TrainingSession(native, definition, { batch: 2, seed: 1, optimizer: { name: 'sgd' } });
  expect(Object.keys(await session.codewords())).toEqual(['stage1', 'stage2', 'stage3']);
  const renewal = { index: 0, learningRate: 0.1 };
  const images = new Uint8Array(2 * 32 * 32 * 3).map((_, i) => (i * 7919) % 251);
  expect(await session.step(images, [1, 2], { step: 0, learningRate: 0.1, renewal })).toBeGreaterThan(0);
  session.dispose();
});

test('renewals begin after the warm-up, come every so many steps, and end', () => {
  const options = { every: 4, warmupSteps: 10, until: 0.5, learningRate: 1 };
  const renewing = Array.from({ length: 60 }, (_, i) => [i, renewalAt(options, { step: i, totalSteps: 60 })] as const);
  expect(renewing.filter(([, index]) => index !== undefined)).toEqual([10, 14, 18, 22, 26].map((at, i) => [at, i]));
});

test('a network without binary 3x3 filters has nothing to choose for', () => {
  const description = { preset: 'digits', bits: '2-2-4', classes, zeroPoints, step, codewords: 16 };
  const options = { batch: 2, seed: 1, optimizer: { name: 'sgd' } } as const;
  expect(() => new TrainingSession(native, defineNetwork(description), options)).toThrow('no 3x3 filters of 1 bit');
});

test.each([
  [{ codewords: 0 }, 'codewords must be an integer in 1..512, not 0'],
  [{ codewords: 16, selection: { temperature: 0 } }, 'temperature must be above 0'],
  [{ codewords: 16, selection: { sweeps: 1.5 } }, 'sweeps must be an integer'],
  [{ codewords: 16, selection: { noise: -1 } }, 'noise must be at least 0'],
  [{ codewords: 16, selection: { pull: Number.NaN } }, 'pull must be at least 0'],
  [{ codewords: 16, selection: { method: 'learnt' as 'learned' } }, "'learned'"],
])('%j is refused', (own, message) => {
  const description = { preset: 'digits', bits: '1-2-4', classes, zeroPoints, step };
  expect(() => defineNetwork({ ...description, ...own })).toThrow(message);
});
