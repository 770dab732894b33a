/** Every preset takes a training step at 1-2-4, on the backend that a user gets. */
import { afterAll, expect, test } from 'vitest';
import { openBackend } from '../src/backends/index.js';
import { presets } from '../src/nn/models/index.js';
import { defineNetwork } from '../src/nn/network.js';
import { TrainingSession } from '../src/train/session.js';
import { Philox } from '../src/util/philox.js';

const backend = await openBackend({});
afterAll(() => backend.dispose());

/** The batch norms of dense layers make +1 and -1 of two samples, whatever these are, and pass no gradient. */
const batch = 4;

/** Elements of each filter that are looked at. */
const sampled = 2 ** 16;

test.each(Object.values(presets))('$name', ({ name, input, training: { optimizer } }) => {
  const network = defineNetwork({
    preset: name,
    bits: '1-2-4',
    classes: ['0', '1', '2'],
    zeroPoints: [0],
    step: 1 / 255,
  });
  const session = new TrainingSession(backend, network, { batch, seed: 1, optimizer });
  try {
    const filters = [...session.variables.entries()].filter((variable) => variable.name.endsWith('/filter'));
    const before = filters.map(({ data }) => data.slice(0, sampled));
    const random = new Philox(1, 'images');
    const bytes = batch * input.height * input.width * input.channels;
    const images = Uint8Array.from({ length: bytes }, () => random.nextInt(256));
    const loss = session.step(images, [0, 2, 1, 0], { step: 0, learningRate: 1e-3 });
    expect(loss).toBeGreaterThan(0);
    expect(Number.isFinite(loss)).toBe(true);
    expect(session.findNonFiniteVariable()).toBeUndefined();
    for (const [i, { name: filter, data }] of filters.entries())
      expect(
        before[i]!.some((each, at) => each !== data[at]),
        filter,
      ).toBe(true);
  } finally {
    session.dispose();
  }
}, 300_000);
