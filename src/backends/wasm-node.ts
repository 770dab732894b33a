/** The WebAssembly kernels in Node: the module from build/, and threads as worker threads. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Backend } from '../core/backend.js';
import { SubbitError } from '../util/errors.js';
import { builtFile } from './built-file.js';
import { type CpuOptions, createCpuBackend } from './cpu.js';
import { type WasmPlatform, type WorkerData, wasmModule } from './wasm.js';

const moduleFile = (): string | undefined => builtFile('wasm/subbit.wasm');

export function isWasmBuilt(): boolean {
  return moduleFile() !== undefined;
}

function nodePlatform(): WasmPlatform {
  const file = moduleFile();
  if (file === undefined) throw new SubbitError('the WebAssembly kernels are not built; run: npm run build');
  return { module: new WebAssembly.Module(readFileSync(file)), startWorker };
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

export function createWasm(options: CpuOptions = {}): Backend {
  return createCpuBackend('wasm', wasmModule(nodePlatform()), {
    ...options,
    threads: options.threads ?? availableParallelism(),
  });
}
