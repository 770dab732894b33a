/** The WebAssembly kernels in Node: the module from build/, and threads as worker threads. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Backend } from '../core/backend.js';
import type { AnyOp } from '../core/op.js';
import { SubbitError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';
import { builtFile } from './built-file.js';
import { type CpuOptions, createCpuBackend } from './cpu.js';
import { engineIsas, moduleFile, type WorkerData, wasmModule } from './wasm.js';

/** The built modules that this Node can run, by instruction set, the best first. */
function moduleFiles(ops: Readonly<Record<string, AnyOp>>): Record<string, string> {
  const files = engineIsas().map((isa) => [isa, builtFile(`wasm/${moduleFile(ops, isa)}`)] as const);
  return Object.fromEntries(files.filter((entry): entry is [(typeof entry)[0], string] => entry[1] !== undefined));
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

/** None when no module is built. */
export function wasmIsas(ops: Readonly<Record<string, AnyOp>>): readonly string[] {
  return Object.keys(moduleFiles(ops));
}

/** `ops` are all ops, or those of the inference runtime: each has its modules. */
export async function createWasm(ops: Readonly<Record<string, AnyOp>>, options: CpuOptions = {}): Promise<Backend> {
  const files = moduleFiles(ops);
  const isas = Object.keys(files);
  if (isas.length === 0) throw new SubbitError('the WebAssembly kernels are not built; run: npm run build');
  const { isa = isas[0]!, threads = availableParallelism() } = options;
  const file = lookUp(files, isa, 'instruction set of the wasm kernels');
  const module = new WebAssembly.Module(readFileSync(file));
  return createCpuBackend('wasm', await wasmModule({ module, startWorker }, ops), { threads });
}
