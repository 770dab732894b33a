/** Training with a teacher. */
import { afterAll, expect, test } from 'vitest';
import { openBackend } from '../backends/index.js';
import { openData, prepareDataset } from '../data/index.js';
import { presets } from '../nn/models/index.js';
import { defineNetwork } from '../nn/network.js';
import { type Checkpoint, copyCheckpoint } from './checkpoint.js';
import type { RunDescription } from './config.js';
import { Teacher } from './distillation.js';
import { type TrainEvent, train } from './trainer.js';

const preset = presets.digits!;
const data = prepareDataset(await openData('digits'), preset.input);
const backend = await openBackend({ threads: 2 });
afterAll(() => backend.dispose());

function describe(bits: string, epochs: number, own: Partial<RunDescription['training']> = {}): RunDescription {
  const { classes, zeroPoints, step, augmentation } = data;
  return {
    network: { preset: 'digits', bits, classes, zeroPoints, step },
    training: { ...preset.training, epochs, data: 'digits', augmentation, seed: 1, ...own },
  };
}

async function run(description: RunDescription, teacher?: Checkpoint) {
  let last: Checkpoint | undefined;
  let done: Extract<TrainEvent, { type: 'done' }> | undefined;
  const losses: number[] = [];
  for await (const event of train({ description, data, backend, ...(teacher && { teacher }) })) {
    if (event.type === 'checkpoint') last = copyCheckpoint(event.checkpoint);
    if (event.type === 'step') losses.push(event.loss);
    if (event.type === 'done') done = event;
  }
  return { checkpoint: last!, losses, accuracy: done!.summary.finalAccuracy };
}

const teacher = (await run(describe('32-32-32', 4))).checkpoint;
const definitions = [
  defineNetwork(describe('32-32-32', 1).network),
  defineNetwork(describe('1-2-4', 1).network),
] as const;
const images = data.train.images.subarray(0, 16 * 64);
const labels = data.train.labels.subarray(0, 16);

test('targets mix the probabilities of the teacher with the labels', async () => {
  const targetsAt = async (weight: number): Promise<Float32Array> => {
    const each = new Teacher(backend, teacher, {
      student: describe('1-2-4', 1).network,
      definitions,
      batch: 16,
      weight,
    });
    const targets = (await each.targetsOf(images, labels)).slice();
    each.dispose();
    return targets;
  };
  const [own, half, hard] = [await targetsAt(1), await targetsAt(0.5), await targetsAt(0)];
  for (const [i, target] of half.entries()) {
    expect(hard[i]).toBe(labels[Math.floor(i / 10)] === i % 10 ? 1 : 0);
    expect(target).toBeCloseTo(0.5 * own[i]! + 0.5 * hard[i]!, 6);
  }
  for (let n = 0; n < 16; n++) expect(own.subarray(10 * n, 10 * n + 10).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
});

test('with the labels alone as targets the training is the plain one', async () => {
  const [plain, distilled] = [
    await run(describe('1-2-4', 1)),
    await run(describe('1-2-4', 1, { distillation: { teacher: 't', weight: 0 } }), teacher),
  ];
  expect(distilled.losses).toEqual(plain.losses);
});

test('a student learns from the teacher', async () => {
  const { accuracy, losses } = await run(
    describe('1-2-4', 3, { distillation: { teacher: 't', weight: 0.9 } }),
    teacher,
  );
  expect(accuracy).toBeGreaterThan(0.9);
  expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
});

test('a distillation without its teacher, or a teacher without distillation, is refused', async () => {
  const distilled = describe('1-2-4', 1, { distillation: { teacher: 't', weight: 1 } });
  await expect(run(distilled)).rejects.toThrow('needs both');
  await expect(run(describe('1-2-4', 1), teacher)).rejects.toThrow('needs both');
});

test('a teacher of other classes is refused', () => {
  const { network } = describe('1-2-4', 1);
  const student = { ...network, classes: ['a', 'b'] };
  expect(() => new Teacher(backend, teacher, { student, definitions, batch: 16, weight: 1 })).toThrow(
    'train both on the same data',
  );
});
