/**
 * Low-bit and simulated training are one computation but for the order of sums: on every kernel backend a short training from
 * one seed begins with the same losses, and both learn alike.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { openBackend } from '../src/backends/index.js';
import { openData, prepareDataset } from '../src/data/index.js';
import { presets } from '../src/nn/models/index.js';
import { defineNetwork } from '../src/nn/network.js';
import type { Compute } from '../src/train/compute.js';
import { TrainingSession } from '../src/train/session.js';

const steps = 40;
const batch = 32;

const data = prepareDataset(await openData('digits'), presets.digits!.input);
const { classes, zeroPoints, step } = data;
const bytes = data.train.images.length / data.train.labels.length;

for (const name of ['native', 'wasm']) {
  const backend = await openBackend({ backend: name, threads: 2 });
  afterAll(() => backend.dispose());

  const losses = (compute: Compute, bits: string): number[] => {
    const network = defineNetwork({ preset: 'digits', bits, classes, zeroPoints, step });
    const session = new TrainingSession(backend, network, { batch, seed: 2, compute, optimizer: { name: 'adam' } });
    const found = Array.from({ length: steps }, (_, i) => {
      const images = data.train.images.subarray(i * batch * bytes, (i + 1) * batch * bytes);
      const labels = data.train.labels.subarray(i * batch, (i + 1) * batch);
      return session.step(images, labels, { step: i, learningRate: 0.003 });
    });
    session.dispose();
    return found;
  };

  describe.each(['1-2-4', '1-1-4', '1-2-8', '2-2-4', '1-2-32'])(`${name} %s`, (bits) => {
    test('the same training, by integers and in floats', () => {
      const [lowBit, simulated] = [losses('low-bit', bits), losses('simulated', bits)];
      // Statistics of a batch that round differently move a loss by 1e-8; a level that flips for it, by more in later steps.
      expect(Math.abs(lowBit[0]! - simulated[0]!)).toBeLessThan(1e-6);
      for (let i = 1; i < 3; i++) expect(Math.abs(lowBit[i]! - simulated[i]!), `step ${i}`).toBeLessThan(2e-2);
      const mean = (values: number[]): number => values.slice(-10).reduce((sum, loss) => sum + loss / 10, 0);
      expect(mean(simulated)).toBeLessThan(0.6 * simulated[0]!);
      expect(Math.abs(mean(lowBit) - mean(simulated))).toBeLessThan(0.15);
    });
  });
}
