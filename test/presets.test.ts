/** Every preset takes a training step at 1-2-4, on the backend that a user gets, and can be deployed. */
import { afterAll, describe, expect, test } from 'vitest';
import { openBackend } from '../src/backends/index.js';
import { arrayOf, type TypedArray } from '../src/core/tensor.js';
import { deployNetwork } from '../src/deploy/index.js';
import { checked } from '../src/formats/subbit.js';
import { presets } from '../src/nn/models/index.js';
import { buildGraph, defineNetwork, type NetworkDescription } from '../src/nn/network.js';
import { TrainingSession } from '../src/train/session.js';
import { Philox } from '../src/util/philox.js';

const backend = await openBackend({});
afterAll(() => backend.dispose());

/** The batch norms of dense layers make +1 and -1 of two samples, whatever these are, and pass no gradient. */
const batch = 4;

/** Elements of each filter that are looked at. */
const sampled = 2 ** 16;

const minutes = 60_000;

const description = (preset: string): NetworkDescription => ({
  ...{ preset, bits: '1-2-4', classes: ['0', '1', '2'], zeroPoints: [0], step: 1 / 255 },
});

describe.each(Object.values(presets))('$name', ({ name, input, training: { optimizer } }) => {
  test('one step changes every filter', { timeout: 5 * minutes }, async () => {
    const session = new TrainingSession(backend, defineNetwork(description(name)), { batch, seed: 1, optimizer });
    try {
      const filters = [...session.variables.entries()].filter((variable) => variable.name.endsWith('/filter'));
      const before = filters.map(({ data }) => data.slice(0, sampled));
      const random = new Philox(1, 'images');
      const bytes = batch * input.height * input.width * input.channels;
      const images = Uint8Array.from({ length: bytes }, () => random.nextInt(256));
      const loss = await session.step(images, [0, 2, 1, 0], { step: 0, learningRate: 1e-3 });
      expect(loss).toBeGreaterThan(0);
      expect(Number.isFinite(loss)).toBe(true);
      expect(await session.findNonFiniteVariable()).toBeUndefined();
      const same = filters.filter(({ data }, i) => before[i]!.every((each, at) => each === data[at]));
      expect(same.map((filter) => filter.name)).toEqual([]);
    } finally {
      session.dispose();
    }
  });

  test('it deploys, with all of its products', { timeout: 5 * minutes }, () => {
    const network = defineNetwork(description(name));
    const { graph } = buildGraph(network, { batch: 1, training: false, seed: 1 });
    const contents = new Map(
      [...graph.variables.values()].map(({ value, initialize }): [string, TypedArray] => {
        const data = arrayOf(value.type);
        // Millions of normal numbers take seconds.
        if (value.name.endsWith('/filter'))
          for (let i = 0; i < data.length; i++) data[i] = ((i * 7919) % 1009) / 504 - 1;
        else initialize(data);
        return [value.name, data];
      }),
    );
    const { macs } = checked(deployNetwork(network, contents, description(name)).network);
    const { sizes = [] } = presets[name]!;
    // Of the last layer, those of fewer classes.
    const stated = sizes[0]!;
    const classes = [...graph.variables.values()].find(({ value }) => value.name === `${presets[name]!.last}/filter`)!;
    const perClass = classes.value.type.shape[2]!;
    expect(macs).toBe(stated.macs - (stated.classes - 3) * perClass);
  });
});
