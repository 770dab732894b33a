/** The WebAssembly kernels in Node: the module from build/, and threads as worker threads. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Backend } from '../core/backend.js';
import { SubbitError } from '../util/errors.js';
import { builtFile } from './built-file.js';
import { type CpuOptions, createCpuBackend, type KernelModule } from './cpu.js';
import { type WorkerData, wasmModule } from './wasm.js';

/** Undefined when it is not built. */
function loadModule(): KernelModule | undefined {
  const file = builtFile('wasm/subbit.wasm');
  if (file === undefined) return undefined;
  return wasmModule({ module: new WebAssembly.Module(readFileSync(file)), startWorker });
}

function startWorker(source: string, data: WorkerData): { stop(): void } {
  const worker = new Worker(`const { workerData: data } = require('node:worker_threads');${source}`, {
    eval: true,
    workerData: data,
  });
  // A thread that waits for tasks must not keep the process alive. What went wrong in one is said by its caller.
  worker.unref();
  worker.on('error', () => {});
  return { stop: () => void worker.terminate() };
}

/** None when the module is not built. */
export function wasmIsas(): readonly string[] {
  return loadModule()?.isas ?? [];
}

export function createWasm(options: CpuOptions = {}): Backend {
  const module = loadModule();
  if (module === undefined) throw new SubbitError('the WebAssembly kernels are not built; run: npm run build');
  return createCpuBackend('wasm', module, { ...options, threads: options.threads ?? availableParallelism() });
}
