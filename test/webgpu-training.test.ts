/**
 * Training on a GPU: the first steps from one seed have the losses of native kernels, and choose the same codewords. Sums have another
 * order there and floats other last bits, which moves a level that lies next to a boundary now and then; float training has no levels. 4e-7 was the largest difference here.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { backends, openBackend } from '../src/backends/index.js';
import type { Backend } from '../src/core/backend.js';
import { openData, prepareDataset } from '../src/data/index.js';
import { presets } from '../src/nn/models/index.js';
import { defineNetwork, type NetworkDescription } from '../src/nn/network.js';
import type { Compute } from '../src/train/compute.js';
import { TrainingSession } from '../src/train/session.js';

const batch = 16;

const data = prepareDataset(await openData('digits'), presets.digits!.input);
const { classes, zeroPoints, step } = data;
const bytes = data.train.images.length / data.train.labels.length;

interface Run {
  readonly network: Pick<NetworkDescription, 'bits' | 'codewords' | 'selection' | 'activationQuantizer'>;
  readonly compute: Compute;
  readonly steps: number;
  /** Of the difference of losses: where there are levels, so that two or three of them may move. */
  readonly bound: number;
}

const runs: Readonly<Record<string, Run>> = {
  floats: { network: { bits: '32-32-32' }, compute: 'low-bit', steps: 5, bound: 1e-5 },
  '1-2-4': { network: { bits: '1-2-4' }, compute: 'low-bit', steps: 5, bound: 0.02 },
  '1-2-4 simulated': { network: { bits: '1-2-4' }, compute: 'simulated', steps: 5, bound: 0.02 },
  'codewords and learned scales': {
    network: { bits: '1-2-4', codewords: 16, selection: { sweeps: 2 }, activationQuantizer: 'lsq' },
    compute: 'low-bit',
    steps: 2,
    bound: 0.02,
  },
};

async function train(backend: Backend, { network, compute, steps }: Run) {
  const definition = defineNetwork({ preset: 'digits', ...network, classes, zeroPoints, step });
  const session = new TrainingSession(backend, definition, { batch, seed: 2, compute, optimizer: { name: 'adam' } });
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const images = data.train.images.subarray(i * batch * bytes, (i + 1) * batch * bytes);
    const labels = data.train.labels.subarray(i * batch, (i + 1) * batch);
    const renewal = network.codewords === undefined ? undefined : { index: i, learningRate: 0.01 };
    losses.push(await session.step(images, labels, { step: i, learningRate: 0.003, renewal }));
  }
  const codewords = await session.codewords();
  session.dispose();
  return { losses, codewords };
}

const isHere = (await backends.webgpu.isas()).length > 0;
if (!isHere) console.warn('no GPU that Node can use: training on it is NOT compared with native kernels');

describe.skipIf(!isHere)('webgpu', async () => {
  if (!isHere) return;
  const gpu = await openBackend({ backend: 'webgpu' });
  const native = await openBackend({ backend: 'native', threads: 2 });
  afterAll(() => {
    gpu.dispose();
    native.dispose();
  });

  test.each(Object.entries(runs))(
    '%s: the losses of native kernels',
    async (_, run) => {
      const [expected, found] = [await train(native, run), await train(gpu, run)];
      for (const [i, loss] of expected.losses.entries())
        expect(Math.abs(loss - found.losses[i]!), `step ${i}`).toBeLessThan(run.bound);
      expect(found.codewords).toEqual(expected.codewords);
    },
    // A GPU in software takes its time to compile.
    300_000,
  );
});
