import { beforeAll, describe, expect, test } from 'vitest';
import { backends, openBackend } from '../backends/index.js';
import type { Backend } from '../core/backend.js';
import { type Dataset, type ImageSet, openData } from '../data/index.js';
import { activation, conv, dense, flatten, sequential } from '../nn/layers/index.js';
import { type Preset, presets } from '../nn/models/index.js';
import { copyCheckpoint } from './checkpoint.js';
import type { RunDescription } from './config.js';
import { fit } from './model.js';
import { type TrainEvent, train } from './trainer.js';

let backend: Backend;
let data: Dataset;

beforeAll(async () => {
  backend = await openBackend({ threads: 1 });
  const digits = await openData('digits');
  data = { ...digits, train: first(digits.train, 200), test: first(digits.test, 50) };
});

function first(set: ImageSet, count: number): ImageSet {
  const size = set.height * set.width * set.channels;
  return { ...set, count, images: set.images.subarray(0, count * size), labels: set.labels.subarray(0, count) };
}

function describeRun(changes: Partial<RunDescription['training']> = {}): RunDescription {
  return {
    network: { preset: 'digits', bits: '1-2-4', classes: data.classes, zeroPoints: data.zeroPoints, step: data.step },
    training: {
      data: 'digits',
      epochs: 2,
      batch: 32,
      optimizer: { name: 'sgd' },
      schedule: { name: 'constant', learningRate: 0.05 },
      weightDecay: 0,
      augmentation: { cropPadding: 0, flip: false },
      seed: 1,
      ...changes,
    },
  };
}

async function collect(options: Partial<Parameters<typeof train>[0]> = {}): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train({ description: describeRun(), data, backend, ...options })) {
    // Checkpoints hold live memory.
    events.push(event.type === 'checkpoint' ? { ...event, checkpoint: copyCheckpoint(event.checkpoint) } : event);
  }
  return events;
}

describe('events', () => {
  test('start, a checkpoint before the first step, steps, epochs with checkpoints, done', async () => {
    const events = await collect();
    const epoch = [...Array<string>(6).fill('step'), 'epoch', 'checkpoint'];
    expect(events.map(({ type }) => type)).toEqual(['start', 'checkpoint', ...epoch, ...epoch, 'done']);
    const positions = events.flatMap((event) => (event.type === 'checkpoint' ? [event.checkpoint] : []));
    expect(positions.map(({ step, epoch, batch }) => [step, epoch, batch])).toEqual([
      [0, 1, 0],
      [6, 2, 0],
      [12, 3, 0],
    ]);
  });

  test('an epoch says how long it waited for batches', async () => {
    const epochs = (await collect()).flatMap((event) => (event.type === 'epoch' ? [event] : []));
    for (const { inputWaitSeconds, seconds } of epochs) {
      expect(inputWaitSeconds).toBeGreaterThan(0);
      expect(inputWaitSeconds).toBeLessThan(seconds);
    }
  });

  test('a stop signal ends after the step under way, with a checkpoint', async () => {
    const controller = new AbortController();
    const types: string[] = [];
    for await (const event of train({ description: describeRun(), data, backend, signal: controller.signal })) {
      types.push(event.type);
      if (event.type === 'step' && event.step === 2) controller.abort();
    }
    expect(types).toEqual(['start', 'checkpoint', 'step', 'step', 'checkpoint', 'stopped']);
  });

  test('checkpoints come every so many steps', async () => {
    const events = await collect({ checkpointEvery: 2 });
    const steps = events.flatMap((event) => (event.type === 'checkpoint' ? [event.checkpoint.step] : []));
    expect(steps).toEqual([0, 2, 4, 6, 8, 10, 12]);
  });
});

test.for(['native', 'wasm'] as const)('a network that fit trained on %s keeps its weights', async (name, { skip }) => {
  skip((await backends[name].isas()).length === 0, `${name} is not built`);
  const own = await openBackend({ backend: name, threads: 2 });
  const accuracies: number[] = [];
  const model = await fit('digits', data, {
    epochs: 3,
    backend: own,
    onEvent: (event) => event.type === 'epoch' && accuracies.push(event.testAccuracy),
  });
  expect((await model.evaluate(data.test)).accuracy).toBe(accuracies.at(-1));
  model.dispose();
  own.dispose();
});

test('fit trains a preset of the caller, as its own training says', async () => {
  const build: Preset['build'] = ({ classes }) =>
    sequential(conv('first', { channels: 4 }), activation('last'), flatten(), dense('last', { outputs: classes }));
  const training = { ...presets.digits!.training, batch: 50, epochs: 2 };
  const own: Preset = { ...presets.digits!, name: 'digits', first: 'first', last: 'last', build, training };
  const names: string[] = [];
  const model = await fit(own, data, {
    backend,
    onEvent: (event) => {
      if (event.type === 'checkpoint') names.push(...Object.keys(event.checkpoint.tensors), `${event.checkpoint.step}`);
    },
  });
  expect(names).toContain('first/filter');
  expect(names).not.toContain('conv1/filter');
  expect(names.at(-1)).toBe('8');
  const pictures = Array.from({ length: 8 }, (_, i) => data.test.images.subarray(64 * i, 64 * (i + 1)));
  const together = await Promise.all(pictures.map((picture) => model.predict(picture)));
  expect(together.flat()).toEqual(await model.predict(data.test.images.subarray(0, 512)));
  expect(new Set(together.map(([found]) => found!.probability)).size).toBeGreaterThan(1);
  model.dispose();
});

describe('refusals', () => {
  test.each([
    '32-32-32',
    '1-2-4',
  ])('a training of %s that diverges stops with step, tensor and advice', async (bits) => {
    const run = describeRun({ schedule: { name: 'constant', learningRate: 1e38 } });
    const description = { ...run, network: { ...run.network, bits } };
    await expect(collect({ description })).rejects.toThrow(/diverged at step \d+: \S+ holds .+--lr/);
  });

  test('a batch that is larger than the data', async () => {
    await expect(collect({ description: describeRun({ batch: 300 }) })).rejects.toThrow(
      /a batch of 300 is more than the set's 200/,
    );
  });

  test('a checkpoint of a training set that has changed since', async () => {
    const events = await collect({ description: describeRun({ epochs: 2 }), checkpointEvery: 4 });
    const saved = events.flatMap((event) => (event.type === 'checkpoint' ? [event.checkpoint] : []));
    const checkpoint = saved.find(({ step }) => step === 10)!;
    const changed = { ...data, train: first(data.train, 160) };
    await expect(collect({ checkpoint, data: changed })).rejects.toThrow(
      'step 10 was saved at batch 4 of epoch 2, and an epoch has 5 batches now: the training set has changed',
    );
  });

  test('data without images to test on', async () => {
    await expect(collect({ data: { ...data, test: first(data.test, 0) } })).rejects.toThrow(
      'digits has no images to test on',
    );
  });

  test('a checkpoint of another network names the tensor', async () => {
    const events = await collect({ description: describeRun({ epochs: 1 }) });
    const saved = events.find((event) => event.type === 'checkpoint')!;
    const { 'conv2/filter': _, ...tensors } = saved.checkpoint.tensors;
    await expect(collect({ checkpoint: { ...saved.checkpoint, tensors } })).rejects.toThrow(
      /another network: it has no 'conv2\/filter'/,
    );
  });
});
