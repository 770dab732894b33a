/**
 * Golden values from PyTorch: forward values, all gradients and ten losses of a tiny 1-2-4 network whose gradient noise comes
 * from Philox on both sides. Made by scripts/golden/make_golden.py, which says what the network is.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createReference } from '../src/backends/reference.js';
import type { TypedArray } from '../src/core/tensor.js';
import { activation, batchNorm, conv, dense, flatten, maxPool, parseBits, sequential } from '../src/nn/index.js';
import type { NetworkDefinition } from '../src/nn/network.js';
import { TrainingSession } from '../src/train/session.js';

interface Stored {
  readonly shape: number[];
  readonly data: string;
}

interface Golden {
  readonly seed: number;
  readonly initial: Record<string, Stored>;
  readonly steps: { readonly images: Stored; readonly labels: number[] }[];
  readonly expected: {
    readonly step0: {
      readonly values: Record<string, Stored>;
      readonly loss: number;
      readonly gradients: Record<string, Stored>;
    };
    readonly losses: number[];
    readonly parameters: Record<string, Stored>;
    readonly statistics: Record<string, Stored>;
  };
}

const golden = JSON.parse(readFileSync(new URL('golden/tiny-dorefa.json', import.meta.url), 'utf8')) as Golden;

function bytes({ data }: Stored): Uint8Array {
  return new Uint8Array(Buffer.from(data, 'base64'));
}

function floats(stored: Stored): Float32Array {
  return new Float32Array(bytes(stored).buffer);
}

const tiny: NetworkDefinition = {
  layers: sequential(
    conv('conv0', { channels: 8, padding: 1, bias: true }),
    maxPool('pool0', { size: 2, padding: 'valid' }),
    activation('conv1'),
    conv('conv1', { channels: 16, padding: 1 }),
    batchNorm('bn1'),
    activation('conv2'),
    conv('conv2', { channels: 16, stride: 2, padding: 1 }),
    batchNorm('bn2'),
    activation('fc'),
    flatten(),
    dense('fc', { outputs: 5 }),
  ),
  input: { height: 10, width: 10, channels: 3 },
  zeroPoints: [125, 123, 114],
  step: 1 / 63,
  options: { bits: parseBits('1-2-4'), floatLayers: ['conv0', 'fc'] },
};

/** Sums of up to a few hundred float32 terms in another order: 1e-5 of the largest element is generous and still sharp. */
function expectClose(actual: ArrayLike<number>, expected: Float32Array, what: string, relative = 1e-5): void {
  expect(actual.length, what).toBe(expected.length);
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (!(difference <= relative * largest)) {
      expect.fail(`${what}[${i}] is ${actual[i]}, PyTorch has ${expected[i]} (largest ${largest})`);
    }
  }
}

test('forward, gradients, ten losses, parameters and statistics equal PyTorch', async () => {
  const session = new TrainingSession(createReference(), tiny, {
    batch: 4,
    seed: golden.seed,
    optimizer: { name: 'sgd', momentum: 0.9, nesterov: true },
    weightDecay: 1e-4,
    keepAll: true,
  });
  const variable = (name: string): TypedArray => {
    const data = session.variables.get(name);
    if (data === undefined) throw new Error(`no variable ${name}`);
    return data;
  };
  for (const [name, stored] of Object.entries(golden.initial)) variable(name).set(floats(stored));

  const losses: number[] = [];
  for (const [step, { images, labels }] of golden.steps.entries()) {
    losses.push(await session.step(bytes(images), labels, { step, learningRate: 0.05 }));
    if (step === 0) {
      const { values, gradients } = golden.expected.step0;
      const names: Record<string, string> = { conv0: 'conv0/biased', logits: 'fc/biased' };
      for (const [name, stored] of Object.entries(values)) {
        expectClose(session.plan.tensor(names[name] ?? name), floats(stored), name);
      }
      for (const [name, stored] of Object.entries(gradients)) {
        expectClose(session.plan.tensor(`d/${name}`), floats(stored), `gradient of ${name}`);
      }
    }
  }
  expectClose(losses, Float32Array.from(golden.expected.losses), 'losses');
  for (const [name, stored] of Object.entries(golden.expected.parameters))
    expectClose(variable(name), floats(stored), name, 1e-4);
  for (const [name, stored] of Object.entries(golden.expected.statistics))
    expectClose(variable(name), floats(stored), name, 1e-4);
});
