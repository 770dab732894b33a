/** One model on each of the page's backends: to compute with, and to see how long an image takes. */
import { type DeployedModel, load } from '../runtime/browser.js';

/** A backend of the page. */
export interface Runner {
  readonly name: string;
  readonly options: { readonly backend: string; readonly threads?: number };
}

export function runners(): Runner[] {
  const cores = navigator.hardwareConcurrency;
  return [
    { name: 'WebAssembly, 1 thread', options: { backend: 'wasm', threads: 1 } },
    ...(crossOriginIsolated && cores > 1
      ? [{ name: `WebAssembly, ${cores} threads`, options: { backend: 'wasm', threads: cores } }]
      : []),
    ...('gpu' in navigator ? [{ name: 'WebGPU', options: { backend: 'webgpu' } }] : []),
  ];
}

/** Bytes of the kernels that a backend fetched last, as they came over the network; 0 for kernels that are text in the page's script. */
function kernelBytes({ options }: Runner): number {
  if (options.backend !== 'wasm') return 0;
  const fetched = performance.getEntriesByType('resource').filter(({ name }) => /runtime[^/]*\.wasm$/.test(name));
  return (fetched.at(-1) as PerformanceResourceTiming | undefined)?.encodedBodySize ?? 0;
}

export interface RunningModel {
  readonly runner: Runner;
  readonly model: DeployedModel;
  readonly kernelBytes: number;
}

export async function loadOn(runner: Runner, bytes: Uint8Array): Promise<RunningModel> {
  const model = await load(bytes, { ...runner.options, onNotice: () => {} });
  return { runner, model, kernelBytes: kernelBytes(runner) };
}

/** Coarse clocks tick every 0.1 ms, so many runs are timed together, */
const roundMilliseconds = 15;
/** and the quickest of some rounds counts, in which nobody else wanted the processor. */
const rounds = 5;

/** Seconds of one image. The page stays usable between rounds. */
export async function secondsPerImage(model: DeployedModel): Promise<number> {
  const { height, width, channels } = model.input;
  const image = new Uint8Array(height * width * channels).fill(100);
  const out = new Int32Array(model.classes.length);
  let best = Number.POSITIVE_INFINITY;
  let runs = 1;
  for (let round = 0; round < rounds; ) {
    const started = performance.now();
    for (let i = 0; i < runs; i++) await model.run(image, out);
    const milliseconds = performance.now() - started;
    if (milliseconds < roundMilliseconds) runs *= 2;
    else {
      best = Math.min(best, milliseconds / runs / 1000);
      round++;
    }
    await new Promise((resolve) => setTimeout(resolve));
  }
  return best;
}
