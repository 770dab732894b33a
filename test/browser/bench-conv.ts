/**
 * The convolution layers of `bench conv` in a page, beside onnxruntime-web in the same page, for scripts/browser/bench-browser.mjs, which calls what this
 * leaves in `globalThis.benchConv`. Ours and the peer's take turns, as in src/cli/bench/timing.ts.
 */
import { Plan, Variables } from '../../src/backends/plan.js';
import { createBrowserWasm } from '../../src/backends/wasm-browser.js';
import { layersGraph, randomLevels } from '../../src/cli/bench/conv-layer.js';
import { convShapes } from '../../src/cli/bench/conv-shapes.js';
import { buildPeerModel, type PeerPrecision } from '../../src/cli/bench/peer-model.js';
import { layersPerModel, networkOfLayer } from '../../src/cli/bench/peer-network.js';
import { runtimeOps } from '../../src/ops/runtime.js';
import { selectKernels } from '../../src/passes/select-kernels.js';
import { fetchBytes } from '../../src/runtime/fetch-bytes.js';

/** What is used of onnxruntime-web. */
interface Ort {
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: object): Promise<unknown>; release(): Promise<void> }>;
  };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => object;
  readonly env: { readonly wasm: { numThreads?: number } };
}

interface LayerTimes {
  readonly shape: string;
  /** Medians in microseconds of one layer: by bits, and of the peer by precision. */
  readonly microseconds: Readonly<Record<string, number>>;
}

const repetitions = 15;
const repetitionMilliseconds = 10;
const bits = [
  [1, 1],
  [1, 2],
] as const;

type Timed = () => unknown;

async function millisecondsOf(timed: Timed, calls: number): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < calls; i++) {
    const result = timed();
    if (result instanceof Promise) await result;
  }
  return (performance.now() - started) / calls;
}

/** Medians in milliseconds per call. */
async function interleaved(functions: Readonly<Record<string, Timed>>): Promise<Record<string, number>> {
  const times: Record<string, number[]> = {};
  const calls: Record<string, number> = {};
  for (const [name, timed] of Object.entries(functions)) {
    // The engine compiles again while it warms up.
    await millisecondsOf(timed, 20);
    calls[name] = Math.max(1, Math.ceil(repetitionMilliseconds / (await millisecondsOf(timed, 5))));
    times[name] = [];
  }
  for (let round = 0; round < repetitions; round++)
    for (const [name, timed] of Object.entries(functions)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      await millisecondsOf(timed, 1);
      times[name]!.push(await millisecondsOf(timed, calls[name]!));
    }
  return Object.fromEntries(
    Object.entries(times).map(([name, each]) => [name, each.sort((a, b) => a - b)[repetitions >> 1]!]),
  );
}

const benchConv = {
  async run(threads: number): Promise<{ isa: string; layers: LayerTimes[] }> {
    const address = new URL('ort.wasm.min.mjs', import.meta.url).href;
    const ort = (await import(/* @vite-ignore */ address)) as Ort;
    ort.env.wasm.numThreads = threads;
    const readFile = (file: string) => fetchBytes(new URL(file, import.meta.url));
    const backend = await createBrowserWasm(runtimeOps, { threads, readFile, onNotice: console.warn });
    const layers: LayerTimes[] = [];
    for (const shape of convShapes.resnet18!) {
      const functions: Record<string, Timed> = {};
      for (const [weightBits, activationBits] of bits) {
        const graph = layersGraph({ shape, weightBits, activationBits, count: layersPerModel });
        const plan = new Plan(selectKernels(graph, { isa: backend.isa }), new Variables(backend));
        const x = plan.tensor('x');
        x.set(randomLevels(x.length, activationBits));
        functions[`${weightBits}-${activationBits}`] = () => plan.run();
      }
      const releases: (() => Promise<void>)[] = [];
      for (const precision of ['fp32', 'int8'] as const satisfies PeerPrecision[]) {
        const { bytes, inputs } = buildPeerModel(networkOfLayer(shape), { batch: 1, precision });
        const session = await ort.InferenceSession.create(bytes, {
          executionProviders: ['wasm'],
          graphOptimizationLevel: 'all',
        });
        const feeds = Object.fromEntries(
          Object.entries(inputs).map(([name, { type, shape, data }]) => [name, new ort.Tensor(type, data, shape)]),
        );
        functions[precision] = () => session.run(feeds);
        releases.push(() => session.release());
      }
      const times = await interleaved(functions);
      for (const release of releases) await release();
      const microseconds = Object.fromEntries(
        Object.entries(times).map(([name, milliseconds]) => [name, (1000 * milliseconds) / layersPerModel]),
      );
      layers.push({ shape: shape.name, microseconds });
    }
    return { isa: backend.isa, layers };
  },
};

Object.assign(globalThis, { benchConv });
