/**
 * Training the digits where there is nothing of Node: what the page asks of its worker, what comes back, and the training itself, which
 * ends with the deployed network as a `.subbit` file.
 */
import { createReference } from '../backends/reference.js';
import { formatRounding } from '../cli/roundings.js';
import type { Backend } from '../core/backend.js';
import { digits } from '../data/digits.js';
import { deployCheckpoint } from '../deploy/index.js';
import { checked, encodeSubbit } from '../formats/subbit.js';
import { parseBits } from '../nn/bits.js';
import { digits as preset } from '../nn/models/digits.js';
import { DeployedModel } from '../runtime/model.js';
import { withVerification } from '../runtime/verification.js';
import { type Checkpoint, copyCheckpoint } from '../train/checkpoint.js';
import type { RunDescription } from '../train/config.js';
import { trainInPage } from '../train/trainer.js';

export interface TrainingSettings {
  /** W-A-G */
  readonly bits: string;
  readonly epochs: number;
}

/** To the worker; 'stop' ends with what has been learned so far. */
export type TrainingRequest =
  | { readonly type: 'start'; readonly settings: TrainingSettings }
  | { readonly type: 'stop' };

/** From the worker. */
export type TrainingMessage =
  | { readonly type: 'begin'; readonly totalSteps: number; readonly backend: string }
  /** Losses of the steps since the last such message; `step` is the last of them. */
  | { readonly type: 'losses'; readonly step: number; readonly losses: readonly number[] }
  | { readonly type: 'accuracy'; readonly step: number; readonly accuracy: number }
  | ({ readonly type: 'trained' } & TrainedNetwork)
  | { readonly type: 'failed'; readonly message: string };

export interface TrainedNetwork {
  readonly name: string;
  /** A `.subbit` file. */
  readonly bytes: Uint8Array;
  /** Of the deployed network on the test images, 0..1. */
  readonly accuracy: number;
  /** Of the training alone. */
  readonly seconds: number;
  /** What deploying rounded. */
  readonly roundings: readonly string[];
}

/** How often losses are sent, at most. */
const sendMilliseconds = 100;

/** Trains and deploys. Throws SubbitErrors. */
export async function trainDigits(
  backend: Backend,
  { bits, epochs }: TrainingSettings,
  send: (message: TrainingMessage) => void,
  signal: AbortSignal,
): Promise<void> {
  const data = await digits.load('');
  const { classes, zeroPoints, step, name, augmentation } = data;
  const { weight, activation, gradient } = parseBits(bits);
  // The last layer takes the levels that the others take: those of 8 bits would come out of tables that are most of the file.
  const bitsOf = { [preset.last]: `${Math.max(weight, 8)}-${activation}-${gradient}` };
  const description: RunDescription = {
    network: { preset: preset.name, bits, bitsOf, quantizeLast: true, classes, zeroPoints, step },
    training: { ...preset.training, epochs, data: name, augmentation, seed: 1 },
  };
  let last: Checkpoint | undefined;
  let losses: number[] = [];
  let sent = performance.now();
  const started = sent;
  const sendLosses = (step: number): void => {
    if (losses.length > 0) send({ type: 'losses', step, losses });
    losses = [];
    sent = performance.now();
  };
  let seconds = 0;
  for await (const event of trainInPage({ description, data, backend, signal })) {
    if (event.type === 'start') {
      const threads = `${backend.threads} ${backend.threads === 1 ? 'thread' : 'threads'}`;
      const where = backend.name === 'wasm' ? `WebAssembly, ${threads}` : backend.name;
      send({ type: 'begin', totalSteps: event.totalSteps, backend: `${where} (${backend.isa})` });
    } else if (event.type === 'step') {
      losses.push(event.loss);
      if (performance.now() - sent > sendMilliseconds) sendLosses(event.step);
    } else if (event.type === 'epoch') {
      sendLosses(event.step);
      send({ type: 'accuracy', step: event.step, accuracy: event.testAccuracy });
    } else if (event.type === 'checkpoint') {
      seconds = (performance.now() - started) / 1000;
      // The tensors are live memory that ends with the training.
      if (event.checkpoint.step > 0) last = copyCheckpoint(event.checkpoint);
    }
  }
  if (last === undefined) throw new Error('a training ended without a checkpoint');
  send({ type: 'trained', ...(await deployed(backend, last, description)), seconds });
}

async function deployed(
  backend: Backend,
  checkpoint: Checkpoint,
  { network: { bits }, training }: RunDescription,
): Promise<Omit<TrainedNetwork, 'seconds'>> {
  const { network, roundings } = deployCheckpoint(checkpoint);
  const named = { ...network, origin: { ...network.origin, data: training.data } };
  const verified = await withVerification(named, createReference());
  const { test } = await digits.load('');
  const model = new DeployedModel(backend, checked(verified), { batch: 64 });
  try {
    const found = await model.classify(test.images);
    const correct = found.filter(({ label }, i) => label === test.labels[i]).length;
    return {
      name: `digits-${bits}.subbit`,
      bytes: encodeSubbit(verified),
      accuracy: correct / test.count,
      roundings: roundings.map(formatRounding),
    };
  } finally {
    model.dispose();
  }
}
