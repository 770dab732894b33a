/**
 * A run's metrics as event files of TensorBoard, besides metrics.jsonl: `tensorboard --logdir RUN` or a folder of runs shows them.
 *
 *     train/loss, train/learningRate, train/imagesPerSecond      per step
 *     epoch/trainLoss, epoch/testLoss, epoch/testAccuracy        per epoch, at its last step
 *     LAYER/parameters, LAYER/weights, ...                       histograms, where they are measured
 *
 * A run that goes on begins another file; its first event tells TensorBoard to forget what was written after the checkpoint.
 */
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import {
  encodeEvent,
  encodeFileVersion,
  encodeSessionStart,
  type TensorboardHistogram,
  type TensorboardValue,
} from '../formats/tensorboard.js';
import { SubbitError } from '../util/errors.js';
import { eventFile } from './event-files.js';
import type { Histogram } from './histograms.js';
import type { MetricsLine } from './metrics.js';

/** Numbers of metrics by the tag under which TensorBoard shows them. */
const scalarTags = {
  step: { loss: 'train/loss', learningRate: 'train/learningRate', imagesPerSecond: 'train/imagesPerSecond' },
  epoch: { trainLoss: 'epoch/trainLoss', testLoss: 'epoch/testLoss', testAccuracy: 'epoch/testAccuracy' },
} as const;

/** Events wait in memory at most this long while more are appended. */
const maxDelayMilliseconds = 1000;

export class TensorboardWriter {
  readonly #file: string;
  readonly #descriptor: number;
  #waiting: Uint8Array[] = [];
  #writtenAt = Date.now();

  /** Begins a file in `folder`, which is made when absent; `step`: steps done before. */
  constructor(folder: string, step: number) {
    const seconds = Math.floor(Date.now() / 1000);
    this.#file = eventFile(folder, seconds);
    this.#descriptor = this.#attempt(() => {
      mkdirSync(folder, { recursive: true });
      return openSync(this.#file, 'a');
    });
    this.#waiting.push(encodeFileVersion(seconds), encodeSessionStart(seconds, step + 1));
    this.flush();
  }

  append(line: MetricsLine): void {
    const values = valuesOf(line);
    if (values.length === 0) return;
    this.#waiting.push(encodeEvent(Date.now() / 1000, line.step, values));
    if (Date.now() - this.#writtenAt >= maxDelayMilliseconds) this.flush();
  }

  flush(): void {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#writtenAt = Date.now();
    this.#attempt(() => writeFileSync(this.#descriptor, bytes));
  }

  close(): void {
    try {
      this.flush();
    } finally {
      closeSync(this.#descriptor);
    }
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw new SubbitError(`cannot write '${this.#file}': ${(error as Error).message}`, { cause: error });
    }
  }
}

function valuesOf(line: MetricsLine): TensorboardValue[] {
  if (line.type === 'step' || line.type === 'epoch') {
    const numbers = line as unknown as Readonly<Record<string, number>>;
    return Object.entries(scalarTags[line.type]).map(([name, tag]) => ({ tag, scalar: numbers[name]! }));
  }
  if (line.type !== 'histograms') return [];
  return line.layers.flatMap(({ name, ...tensors }) =>
    Object.entries(tensors).flatMap(([tensor, histogram]) =>
      histogram === null ? [] : [{ tag: `${name}/${tensor}`, histogram: toTensorboard(histogram) }],
    ),
  );
}

function toTensorboard({ min, max, mean, deviation, counts }: Histogram): TensorboardHistogram {
  const count = counts.reduce((sum, each) => sum + each, 0);
  const limits = counts.map((_, i) => min + ((i + 1) / counts.length) * (max - min));
  return { min, max, count, sum: count * mean, sumOfSquares: count * (deviation ** 2 + mean ** 2), limits, counts };
}
