/**
 * The WebAssembly kernels in a browser. Several threads need shared memory, which a page has only when it is cross-origin
 * isolated (served with Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp); any other
 * page gets one thread and a notice.
 */
import type { Backend } from '../core/backend.js';
import type { AnyOp } from '../core/op.js';
import { lookUp } from '../util/nearest.js';
import { type CpuOptions, createCpuBackend } from './cpu.js';
import { engineIsas, moduleFile, type WorkerData, wasmModule } from './wasm.js';

export interface BrowserWasmOptions extends CpuOptions {
  /** Gives the contents of a built module, such as `runtime-single.wasm`. */
  readFile(name: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Takes lines that a person should see. */
  onNotice(line: string): void;
}

function startWorker(source: string, data: WorkerData): { stop(): void } {
  const address = URL.createObjectURL(new Blob([`onmessage = ({ data }) => {${source}}`], { type: 'text/javascript' }));
  const worker = new Worker(address);
  worker.postMessage(data);
  return {
    stop() {
      worker.terminate();
      URL.revokeObjectURL(address);
    },
  };
}

/** `ops` are all ops, or those of the inference runtime: each has its modules. */
export async function createBrowserWasm(
  ops: Readonly<Record<string, AnyOp>>,
  options: BrowserWasmOptions,
): Promise<Backend> {
  const isas = engineIsas();
  const { isa = isas[0]!, threads = navigator.hardwareConcurrency, readFile, onNotice } = options;
  lookUp(Object.fromEntries(isas.map((each) => [each, true])), isa, 'instruction set of the wasm kernels');
  const isShared = globalThis.crossOriginIsolated === true;
  if (!isShared && threads > 1) {
    onNotice(
      'this page is not cross-origin isolated, so the kernels run on one thread (it needs the COOP and COEP headers)',
    );
  }
  const module = await WebAssembly.compile(await readFile(moduleFile(ops, isa, { isShared })));
  const kernels = await wasmModule(isShared ? { module, startWorker } : { module }, ops);
  return createCpuBackend('wasm', kernels, { threads: isShared ? threads : Math.min(threads, 1) });
}
