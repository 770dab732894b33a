/**
 * The loader's side of its worker thread (loader-worker.ts). Requests `fill batch i into memory m` go out, replies `it has n
 * images` come back in the same order; pixels never travel, they lie in shared memory.
 *
 * Batch `first + k` of an iteration goes to memory k modulo the ring's size, and is requested when the consumer gives back
 * the batch that was there before. A new iteration need not wait for requests that still stand: the thread serves them in
 * order, so it is done with a memory's old batch before it fills the new one, and their replies are dropped.
 */
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ImageSet } from './dataset.js';
import { type BatchMemory, type BatchPlan, numBatches } from './fill-batch.js';
import type { BatchFeed } from './loader.js';

/** What the thread is started with. */
export interface WorkerSetup {
  readonly set: ImageSet;
  readonly plan: BatchPlan;
  readonly memories: readonly BatchMemory[];
}

/** Fill this batch into `memories[memory]`. */
export interface FillRequest {
  readonly iteration: number;
  readonly epoch: number;
  readonly index: number;
  readonly memory: number;
}

/** It is filled, with `count` images. */
export interface FillReply {
  readonly iteration: number;
  readonly count: number;
}

/**
 * Where the thread's code may lie, from this module: when subbit runs from its TypeScript sources, a file that compiles it;
 * in the package's dist/, whose shared chunks are at the top, beside this module or in data/.
 */
function workerFiles(module: string): string[] {
  const extension = extname(module);
  if (extension === '.ts') return ['./loader-worker.dev.mjs'];
  return [`./loader-worker${extension}`, `./data/loader-worker${extension}`];
}

interface Waiter {
  resolve(count: number): void;
  reject(error: Error): void;
}

class ThreadFeed implements BatchFeed {
  readonly #worker: Worker;
  readonly #memories: readonly BatchMemory[];
  readonly #numBatches: number;
  #iteration = 0;
  #epoch = 0;
  /** The next batch to request, and how many batches of this iteration were requested and taken. */
  #index = 0;
  #numRequested = 0;
  #numTaken = 0;
  /** Image counts of the batches that are filled and not taken. */
  readonly #filled: number[] = [];
  #waiter: Waiter | undefined;
  #failure: Error | undefined;

  constructor(workerFile: URL, { set, plan, memories }: WorkerSetup) {
    this.#memories = memories;
    this.#numBatches = numBatches(set.count, plan);
    // No execArgv: flags such as a test runner's loaders only slow the start of this small thread.
    this.#worker = new Worker(workerFile, { workerData: { set, plan, memories } satisfies WorkerSetup, execArgv: [] });
    this.#worker.on('message', (reply: FillReply) => this.#receive(reply));
    this.#worker.on('error', (cause) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#fail(new Error(`the loader's worker thread failed: ${reason}`, { cause }));
    });
    this.#worker.on('exit', () => this.#fail(new Error("the loader's worker thread has ended")));
    // An idle thread does not keep the process alive; while a batch is waited for, it does.
    this.#worker.unref();
  }

  start(epoch: number, first: number): void {
    this.#iteration++;
    this.#epoch = epoch;
    this.#index = first;
    this.#numRequested = 0;
    this.#numTaken = 0;
    this.#filled.length = 0;
    this.#waiter?.reject(new Error('a newer iteration of the same loader has ended this one'));
    this.#waiter = undefined;
    // One memory stays free, as later one is always with the consumer.
    for (let i = 1; i < this.#memories.length; i++) this.#request();
  }

  async next(): Promise<BatchMemory & { readonly count: number }> {
    this.#request();
    const memory = this.#memories[this.#numTaken++ % this.#memories.length] as BatchMemory;
    return { ...memory, count: this.#filled.shift() ?? (await this.#nextFilled()) };
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #request(): void {
    if (this.#index >= this.#numBatches) return;
    const memory = this.#numRequested++ % this.#memories.length;
    const request: FillRequest = { iteration: this.#iteration, epoch: this.#epoch, index: this.#index++, memory };
    this.#worker.postMessage(request);
  }

  async #nextFilled(): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#worker.ref();
    try {
      return await new Promise((resolve, reject) => {
        this.#waiter = { resolve, reject };
      });
    } finally {
      this.#worker.unref();
    }
  }

  #receive({ iteration, count }: FillReply): void {
    if (iteration !== this.#iteration) return;
    if (this.#waiter === undefined) {
      this.#filled.push(count);
    } else {
      this.#waiter.resolve(count);
      this.#waiter = undefined;
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiter?.reject(this.#failure);
    this.#waiter = undefined;
  }
}

const isShared = (array: Uint8Array | Int32Array): boolean => array.buffer instanceof SharedArrayBuffer;

/** A feed that fills `memories` in turn in a worker thread, or why there can be none. */
export function createThreadFeed(set: ImageSet, plan: BatchPlan, memories: readonly BatchMemory[]): BatchFeed | string {
  if (!isShared(set.images) || !isShared(set.labels)) return 'the images are not in shared memory';
  const module = fileURLToPath(import.meta.url);
  const candidates = workerFiles(module).map((file) => new URL(file, import.meta.url));
  const workerFile = candidates.find((url) => existsSync(url));
  if (workerFile === undefined) return `there is no ${workerFiles(module).join(' or ')} beside ${module}`;
  return new ThreadFeed(workerFile, { set, plan, memories });
}
