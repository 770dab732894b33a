/**
 * The cases of all ops in a browser, for scripts/browser/test-browser.mjs, which calls what this leaves in `globalThis.opCases`: the same checks as
 * in Node (src/ops/parity.ts), on WebAssembly with the threads that the page may have, and on WebGPU.
 */
import { createCpuBackend } from '../../src/backends/cpu.js';
import { moduleFile, wasmModule } from '../../src/backends/wasm.js';
import { createBrowserWasm } from '../../src/backends/wasm-browser.js';
import { openDevice } from '../../src/backends/webgpu/device.js';
import { createWebGpuBackend } from '../../src/backends/webgpu/webgpu.js';
import type { Backend } from '../../src/core/backend.js';
import { cases } from '../../src/ops/cases.js';
import { ops } from '../../src/ops/index.js';
import { checkCase, checkSame } from '../../src/ops/parity.js';
import { allWgsl } from '../../src/ops/wgsl.js';
import { fetchBytes } from '../../src/runtime/fetch-bytes.js';

interface Outcome {
  passed: number;
  /** The first few, each in one line. */
  readonly failed: string[];
  /** Cases without a kernel, by op. */
  readonly missing: Record<string, number>;
}

const readFile = (file: string): Promise<Uint8Array<ArrayBuffer>> => fetchBytes(new URL(file, import.meta.url));

/** By the names that the script calls them: with shared memory, as pages have it that may not share any, and a GPU's. */
const kinds: Record<string, (isa: string, threads: number) => Promise<Backend | undefined>> = {
  wasm: (isa, threads) => createBrowserWasm(ops, { isa, threads, readFile, onNotice: console.warn }),
  async 'wasm-single'(isa) {
    const module = await WebAssembly.compile(await readFile(moduleFile(ops, isa, { isShared: false })));
    return createCpuBackend('wasm', await wasmModule({ module }, ops), { threads: 1 });
  },
  async webgpu() {
    const { gpu } = navigator as unknown as { readonly gpu?: GPU };
    const device = gpu && (await openDevice(gpu));
    return device && createWebGpuBackend(device, gpu.wgslLanguageFeatures, allWgsl);
  },
};

let single: Backend | undefined;
let several: Backend | undefined;
const mostFailures = 20;

const opCases = {
  count: cases.length,

  /** Opens a backend for `run`, with one thread and, if `threads` is more, a second one to compare with. False when there is none. */
  async open(name: string, isa: string, threads: number): Promise<boolean> {
    single?.dispose();
    several?.dispose();
    const openBackend = kinds[name]!;
    single = await openBackend(isa, 1);
    several = threads > 1 ? await openBackend(isa, threads) : undefined;
    if (several && several.threads !== threads)
      throw new Error(`the page has ${several.threads} threads, not ${threads}`);
    return single !== undefined;
  },

  /** Checks the cases from `first` to `end`. */
  async run(first: number, end: number): Promise<Outcome> {
    const outcome: Outcome = { passed: 0, failed: [], missing: {} };
    for (const testCase of cases.slice(first, end)) {
      const { op, name } = testCase;
      if (op.isAlias) continue;
      if (single!.read && !allWgsl.has(op)) {
        outcome.missing[op.name] = (outcome.missing[op.name] ?? 0) + 1;
        continue;
      }
      try {
        const results = await checkCase(single!, testCase);
        if (several) await checkSame(several, testCase, results);
        outcome.passed++;
      } catch (error) {
        if (outcome.failed.length < mostFailures)
          outcome.failed.push(`${op.name}, ${name}: ${(error as Error).message.split('\n')[0]}`);
      }
    }
    return outcome;
  },
};

Object.assign(globalThis, { opCases });
