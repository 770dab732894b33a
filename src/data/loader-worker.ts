/**
 * The loader's worker thread: fills the batches that thread-feed.ts requests. An error ends the thread and reaches the
 * consumer.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { BatchMemory } from './fill-batch.js';
import { BatchFiller } from './fill-batch.js';
import type { FillReply, FillRequest, WorkerSetup } from './thread-feed.js';

const { set, plan, memories } = workerData as WorkerSetup;
const filler = new BatchFiller(set, plan);

parentPort?.on('message', ({ iteration, epoch, index, memory }: FillRequest) => {
  const count = filler.fill(epoch, index, memories[memory] as BatchMemory);
  parentPort?.postMessage({ iteration, count } satisfies FillReply);
});
