/** The worker that trains, so that the page stays responsive. */
import { createBrowserWasm } from '../backends/wasm-browser.js';
import { ops } from '../ops/index.js';
import { fetchBytes } from '../runtime/fetch-bytes.js';
import { SubbitError } from '../util/errors.js';
import { type TrainingMessage, type TrainingRequest, type TrainingSettings, trainDigits } from './training.js';

let stopping: AbortController | undefined;

addEventListener('message', ({ data }: MessageEvent<TrainingRequest>) => {
  if (data.type === 'stop') stopping?.abort();
  else void run(data.settings);
});

async function run(settings: TrainingSettings): Promise<void> {
  stopping = new AbortController();
  const send = (message: TrainingMessage): void => postMessage(message);
  try {
    const backend = await createBrowserWasm(ops, {
      readFile: (name) => fetchBytes(new URL(name, import.meta.url)),
      // The page says it in its own place.
      onNotice: () => {},
    });
    try {
      await trainDigits(backend, settings, send, stopping.signal);
    } finally {
      backend.dispose();
    }
  } catch (error) {
    send({ type: 'failed', message: (error as Error).message });
    if (!(error instanceof SubbitError)) throw error;
  }
}
