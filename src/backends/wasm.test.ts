/** The variants of the WebAssembly modules that cpu.test.ts and the parity test do not open: the runtime's, and those for browsers. */
import { resolveObjectURL } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { Worker as NodeWorker } from 'node:worker_threads';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Backend, TensorPlace } from '../core/backend.js';
import { type OpCase, resultSlots, runReference } from '../core/op-case.js';
import { arrayOf, bytesOf, type TensorType, type TypedArray } from '../core/tensor.js';
import { cases } from '../ops/cases.js';
import { runtimeOps } from '../ops/runtime.js';
import { UsageError } from '../util/errors.js';
import { memoized } from '../util/memoized.js';
import { builtFile } from './built-file.js';
import { createCpuBackend } from './cpu.js';
import { engineIsas, moduleFile, wasmModule } from './wasm.js';
import { createBrowserWasm } from './wasm-browser.js';
import { createWasm, wasmIsas } from './wasm-node.js';

const isBuilt = wasmIsas(runtimeOps).length > 0;
// Every eighth of them: the parity test runs all on the same sources.
const runtimeCases = cases
  .filter(({ op }) => Object.hasOwn(runtimeOps, op.name) && !op.isAlias)
  .filter((_, i) => i % 8 === 0);

/** Once for all modules. */
const referenceOf = memoized(runReference);

function run(backend: Backend, testCase: OpCase): Record<string, TypedArray> {
  const { op, attributes } = testCase;
  const { types, inputs } = referenceOf(testCase);
  const params = op.pack(types, attributes);
  const place = (type: TensorType, contents?: TypedArray): TensorPlace => {
    const memory = backend.allocate(bytesOf(type));
    if (contents) arrayOf(type, memory.buffer, memory.byteOffset).set(contents);
    return { memory, byteOffset: 0, type };
  };
  const inputPlaces = types.map((type, slot) => type && place(type, inputs[slot]));
  const outputPlaces = op.infer(types, attributes).map((type) => place(type));
  const scratch = place({ dtype: 'u8', shape: [op.scratchBytes?.(params) ?? 0] });
  const buffers = [...inputPlaces, ...outputPlaces, scratch];
  const program = backend.prepare([{ op, params, buffers }]);
  program.run();
  program.dispose();
  const read = ({ memory, type }: TensorPlace) => arrayOf(type, memory.buffer, memory.byteOffset).slice();
  const results = Object.fromEntries(resultSlots(op).map((slot, i) => [slot, read(outputPlaces[i]!)]));
  for (const buffer of buffers) if (buffer) backend.free(buffer.memory);
  return results;
}

function expectReferenceResults(backend: Backend, some: readonly OpCase[]): void {
  for (const each of some)
    expect(run(backend, each), `${each.op.name}: ${each.name}`).toEqual(referenceOf(each).results);
}

const contentsOf = (name: string) => readFileSync(builtFile(`wasm/${name}`)!);

describe.skipIf(!isBuilt)('the WebAssembly modules of the runtime', () => {
  it.each(engineIsas())('%s, with threads', async (isa) => {
    const backend = await createWasm(runtimeOps, { isa, threads: 2 });
    expectReferenceResults(backend, runtimeCases);
    backend.dispose();
  });

  it.each(engineIsas())('%s, with plain memory', async (isa) => {
    const module = new WebAssembly.Module(contentsOf(moduleFile(runtimeOps, isa, { isShared: false })));
    const kernels = await wasmModule({ module }, runtimeOps);
    expect(() => createCpuBackend('wasm', kernels, { threads: 2 })).toThrow(UsageError);
    const backend = createCpuBackend('wasm', kernels, { threads: 1 });
    expect(backend).toMatchObject({ isa, threads: 1 });
    expect(backend.allocate(64).buffer).toBeInstanceOf(ArrayBuffer);
    expect(backend.allocate(8 << 20).buffer.byteLength).toBeGreaterThan(8 << 20);
    expectReferenceResults(backend, runtimeCases);
    backend.dispose();
  });
});

/** A browser's worker, by means of Node's. */
class Worker {
  readonly #worker: Promise<NodeWorker>;

  constructor(address: string) {
    const source = resolveObjectURL(address)!.text();
    const prelude =
      "let onmessage; require('node:worker_threads').parentPort.once('message', (data) => onmessage({ data }));";
    this.#worker = source.then((text) => new NodeWorker(prelude + text, { eval: true }));
  }

  postMessage(message: unknown): void {
    void this.#worker.then((worker) => worker.postMessage(message));
  }

  terminate(): void {
    void this.#worker.then((worker) => worker.terminate());
  }
}

describe.skipIf(!isBuilt)('in a browser', () => {
  afterEach(() => vi.unstubAllGlobals());
  const notices: string[] = [];
  const asked: string[] = [];
  const options = {
    async readFile(name: string) {
      asked.push(name);
      return contentsOf(name);
    },
    onNotice: (line: string) => void notices.push(line),
  };
  const some = runtimeCases.slice(0, 8);

  it('has threads on a page that is cross-origin isolated', async () => {
    vi.stubGlobal('crossOriginIsolated', true);
    vi.stubGlobal('Worker', Worker);
    const backend = await createBrowserWasm(runtimeOps, { ...options, threads: 3 });
    expect(backend).toMatchObject({ name: 'wasm', isa: engineIsas()[0], threads: 3 });
    expect(asked.splice(0)).toEqual([moduleFile(runtimeOps, backend.isa)]);
    expectReferenceResults(backend, some);
    // With the workers at work, too.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expectReferenceResults(backend, some);
    backend.dispose();
    expect(notices.splice(0)).toEqual([]);
  });

  it('has one thread and says so on any other page', async () => {
    vi.stubGlobal('navigator', { hardwareConcurrency: 4 });
    const backend = await createBrowserWasm(runtimeOps, { ...options, isa: 'simd128' });
    expect(backend).toMatchObject({ isa: 'simd128', threads: 1 });
    expect(asked.splice(0)).toEqual(['runtime-single.wasm']);
    expect(notices.splice(0)).toEqual([expect.stringContaining('not cross-origin isolated')]);
    expectReferenceResults(backend, some);
    backend.dispose();
  });

  it('names the instruction sets that there are', async () => {
    await expect(createBrowserWasm(runtimeOps, { ...options, isa: 'avx2', threads: 1 })).rejects.toThrow('simd128');
  });
});
