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

  const train = async (compute: Compute, bits: string, activationQuantizer: string, count: number) => {
    const network = defineNetwork({ preset: 'digits', bits, activationQuantizer, classes, zeroPoints, step });
    const options = { batch, seed: 2, compute, optimizer: { name: 'adam' }, keepAll: true } as const;
    const session = new TrainingSession(backend, network, options);
    const losses: number[] = [];
    for (let i = 0; i < count; i++) {
      const images = data.train.images.subarray(i * batch * bytes, (i + 1) * batch * bytes);
      const labels = data.train.labels.subarray(i * batch, (i + 1) * batch);
      losses.push(await session.step(images, labels, { step: i, learningRate: 0.003 }));
    }
    const parameters = [...session.variables.entries()].filter(({ role }) => role === 'parameter');
    const gradients = new Map(parameters.map((each) => [each.name, session.plan.tensor(`d/${each.name}`).slice()]));
    session.dispose();
    return { losses, gradients };
  };

  describe.each([
    ...['1-2-4', '1-1-4', '1-2-8', '2-2-4', '1-2-32'].map((bits) => [bits, 'dorefa'] as const),
    ['1-1-4', 'approx-sign'],
    ['1-1-4', 'rsign'],
    ['1-1-4', 'swish-sign'],
    ['2-2-4', 'lsq'],
  ] as const)(`${name} %s %s`, (bits, quantizer) => {
    // 2e-7 was the most; a level on its boundary that another rounding of statistics moved would show as 1e-3.
    test('one step: the same gradients', async () => {
      const [lowBit, simulated] = [
        await train('low-bit', bits, quantizer, 1),
        await train('simulated', bits, quantizer, 1),
      ];
      expect(Math.abs(lowBit.losses[0]! - simulated.losses[0]!)).toBeLessThan(1e-6);
      for (const [parameter, expected] of simulated.gradients) {
        const found = lowBit.gradients.get(parameter)!;
        const norm = Math.hypot(...expected);
        expect(Math.hypot(...expected.map((each, i) => each - found[i]!)), parameter).toBeLessThan(1e-5 * norm);
      }
    });

    test('forty steps: both learn alike', async () => {
      const [lowBit, simulated] = [
        (await train('low-bit', bits, quantizer, steps)).losses,
        (await train('simulated', bits, quantizer, steps)).losses,
      ];
      const mean = (values: number[]): number => values.slice(-10).reduce((sum, loss) => sum + loss / 10, 0);
      expect(mean(simulated)).toBeLessThan(0.6 * simulated[0]!);
      expect(Math.abs(mean(lowBit) - mean(simulated))).toBeLessThan(0.15);
    });
  });
}
