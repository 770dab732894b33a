/** A trained network in use: classes of images, from a checkpoint or fresh from `fit`. */
import { openBackend } from '../backends/index.js';
import type { Backend } from '../core/backend.js';
import { createLoader, type Dataset, type ImageSet, prepareDataset } from '../data/index.js';
import { convertImage } from '../image/convert.js';
import type { ImageShape } from '../image/shape.js';
import { type Preset, presets } from '../nn/models/index.js';
import { defineNetwork, type NetworkDefinition, type NetworkDescription } from '../nn/network.js';
import { scheduleFor } from '../optim/schedules.js';
import { type Classification, classificationOf } from '../runtime/classification.js';
import { UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';
import { Turns } from '../util/turns.js';
import { type Checkpoint, copyCheckpoint } from './checkpoint.js';
import type { RunDescription } from './config.js';
import { type EvaluationResult, evaluateAll } from './evaluate.js';
import { fillVariables } from './fill-variables.js';
import { EvaluationSession } from './session.js';
import { type TrainEvent, train } from './trainer.js';

export interface ModelOptions {
  /** The checkpoint's own layers, when they are not a preset. */
  readonly network?: NetworkDefinition;
  /** Images at a time. @default 128 */
  readonly batch?: number;
}

export class Model {
  readonly description: NetworkDescription;
  readonly input: NetworkDefinition['input'];
  readonly #session: EvaluationSession;
  /** Calls that overlap share the session's memory. */
  readonly #turns = new Turns();

  #release: () => void;

  /** The network of a checkpoint, on a backend that outlives it, unless `release` ends it. */
  constructor(backend: Backend, checkpoint: Checkpoint, options: ModelOptions = {}, release: () => void = () => {}) {
    this.#release = release;
    this.description = (checkpoint.network as unknown as RunDescription).network;
    const network = options.network ?? defineNetwork(this.description);
    this.input = network.input;
    this.#session = new EvaluationSession(backend, network, { batch: options.batch ?? 128 });
    fillVariables(this.#session.variables, checkpoint.tensors);
  }

  /** The class of each image with the `top` likeliest. `images` are bytes [count, H, W, C] of the network's input size (see `prepare`). */
  async predict(images: Uint8Array, { top = 1 }: { readonly top?: number } = {}): Promise<Classification[]> {
    const { height, width, channels } = this.input;
    const size = height * width * channels;
    const count = images.length / size;
    if (!Number.isInteger(count)) {
      throw new UsageError(`${images.length} bytes are not a number of ${height}x${width}x${channels} images`);
    }
    return this.#turns.take(() => this.#predictBatches(images, count, top));
  }

  async #predictBatches(images: Uint8Array, count: number, top: number): Promise<Classification[]> {
    const size = images.length / count;
    const { batch, plan } = this.#session;
    const { classes } = this.description;
    const found: Classification[] = [];
    for (let first = 0; first < count; first += batch) {
      const here = Math.min(batch, count - first);
      await this.#session.evaluate(images.subarray(first * size, (first + here) * size), [], here);
      const [logits, probabilities] = [plan.tensor('logits'), plan.tensor('probabilities')];
      for (let i = 0; i < here; i++) {
        const [from, to] = [i * classes.length, (i + 1) * classes.length];
        found.push(classificationOf(logits.subarray(from, to), probabilities.subarray(from, to), { classes, top }));
      }
    }
    return found;
  }

  /** One image of any size with 1 (grey), 2 (grey, alpha), 3 or 4 (RGBA) channels, as the network takes it. */
  prepare(image: Uint8Array | Uint8ClampedArray, shape: ImageShape): Uint8Array {
    return convertImage(image, shape, this.input);
  }

  /** Accuracy and loss over a set that is prepared to the network's input. */
  async evaluate(set: ImageSet, onImages?: (done: number) => void): Promise<EvaluationResult> {
    const { zeroPoints } = this.description;
    const loader = await createLoader(set, { batch: this.#session.batch, zeroPoints });
    try {
      return await this.#turns.take(() => evaluateAll(this.#session, loader, onImages));
    } finally {
      await loader.close();
    }
  }

  dispose(): void {
    this.#session.dispose();
    this.#release();
    this.#release = () => {};
  }
}

export interface FitOptions {
  /** W-A-G @default '32-32-32' */
  readonly bits?: string;
  readonly width?: string;
  /** The preset's by default. */
  readonly epochs?: number;
  readonly batch?: number;
  /** @default 1 */
  readonly seed?: number;
  /** The fastest that is built by default. */
  readonly backend?: Backend;
  readonly onEvent?: (event: TrainEvent) => void;
}

/** Trains a preset, by its name or one of your own, in memory, without files, and returns it ready for use. */
export async function fit(network: string | Preset, data: Dataset, options: FitOptions = {}): Promise<Model> {
  const preset = typeof network === 'string' ? lookUp(presets, network, 'preset') : network;
  const { bits = '32-32-32', width, seed = 1, onEvent } = options;
  const prepared = prepareDataset(data, preset.input);
  const { epochs = preset.training.epochs, batch = preset.training.batch } = options;
  const training = { ...preset.training, epochs, batch };
  const totalSteps = epochs * Math.floor(prepared.train.count / batch);
  const description: RunDescription = {
    network: {
      preset: preset.name,
      ...(width === undefined ? {} : { width }),
      bits,
      classes: prepared.classes,
      zeroPoints: prepared.zeroPoints,
      step: prepared.step,
    },
    training: {
      ...training,
      schedule: scheduleFor(training.schedule, totalSteps),
      data: prepared.name,
      augmentation: preset.training.augmentation ?? prepared.augmentation,
      seed,
    },
  };
  const definition = defineNetwork(description.network, preset);
  const backend = options.backend ?? (await openBackend({}));
  const release = options.backend ? () => {} : () => backend.dispose();
  try {
    let trained: Checkpoint | undefined;
    for await (const event of train({ description, data: prepared, backend, network: definition })) {
      // The tensors are live memory that ends with the training.
      if (event.type === 'checkpoint') trained = copyCheckpoint(event.checkpoint);
      onEvent?.(event);
    }
    return new Model(backend, trained!, { network: definition }, release);
  } catch (error) {
    release();
    throw error;
  }
}
