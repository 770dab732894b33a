/**
 * subbit/runtime in a browser: deployed networks on the WebAssembly kernels, or on the GPU. The kernels' modules (runtime*.wasm) lie beside
 * this one; which of them is fetched depends on what the engine and the page have (src/backends/wasm-browser.ts). What WebGPU needs is
 * fetched when a page asks for it.
 */
import { createReference } from '../backends/reference.js';
import { createBrowserWasm } from '../backends/wasm-browser.js';
import type { Backend } from '../core/backend.js';
import { decodeSubbit, type NetworkLimits } from '../formats/subbit.js';
import { runtimeOps } from '../ops/runtime.js';
import { lookUp } from '../util/nearest.js';
import { type DownloadProgress, fetchBytes, nameOf } from './fetch-bytes.js';
import { DeployedModel, type ModelOptions } from './model.js';

export type { NetworkInput, NetworkLimits } from '../formats/subbit.js';
export type { ImageShape } from '../image/shape.js';
export { FormatError, SubbitError, UsageError } from '../util/errors.js';
export type { Classification, ScoredClass } from './classification.js';
export type { DownloadProgress } from './fetch-bytes.js';
export type {
  DeployedModel,
  Difference,
  ModelOptions,
  VerificationResult,
} from './model.js';
export type { Picture, Pixels } from './pixels.js';

export interface LoadOptions extends ModelOptions {
  /** 'wasm', 'webgpu' or 'reference'. @default 'wasm' */
  readonly backend?: string;
  /** Of wasm, 'relaxed' or 'simd128'. @default the best that the engine has */
  readonly isa?: string;
  /** @default one per core on a page that is cross-origin isolated, else one */
  readonly threads?: number;
  /** What one image may cost at most; lower them for files of strangers. */
  readonly limits?: NetworkLimits;
  /** Where the runtime*.wasm files are: an address with a slash at the end, or a path from the page. @default beside this module */
  readonly kernels?: string | URL;
  /** Told how far the download of the model is; of what is no address, nothing. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Takes lines that a person should see. @default the console */
  readonly onNotice?: (line: string) => void;
}

/** Spelled out, so that bundlers see the files and take them along. */
const kernelFiles: Readonly<Record<string, () => URL>> = {
  'runtime.wasm': () => new URL('./runtime.wasm', import.meta.url),
  'runtime-relaxed.wasm': () => new URL('./runtime-relaxed.wasm', import.meta.url),
  'runtime-single.wasm': () => new URL('./runtime-single.wasm', import.meta.url),
  'runtime-single-relaxed.wasm': () => new URL('./runtime-single-relaxed.wasm', import.meta.url),
};

const backends: Readonly<Record<string, (options: LoadOptions) => Promise<Backend>>> = {
  wasm: ({ isa, threads, kernels, onNotice = console.warn }) =>
    createBrowserWasm(runtimeOps, {
      ...{ isa, threads, onNotice },
      readFile: (name) => fetchBytes(kernels === undefined ? kernelFiles[name]!() : new URL(name, onPage(kernels))),
    }),
  webgpu: async () => {
    const { createBrowserWebGpu, runtimeWgsl } = await import('./browser-webgpu.js');
    return createBrowserWebGpu(runtimeWgsl);
  },
  reference: async () => createReference(),
};

/** An address, which may be one relative to the page's. */
function onPage(address: string | URL): URL {
  const { location } = globalThis as { location?: { readonly href: string } };
  return new URL(address, location?.href);
}

/**
 * Loads a `.subbit` file: its address or its bytes. Throws a FormatError for a file that is damaged or missing, a UsageError for
 * options that do not fit.
 */
export async function load(
  source: string | URL | Uint8Array | ArrayBuffer,
  options: LoadOptions = {},
): Promise<DeployedModel> {
  const decoded = decodeSubbit(await bytesOf(source, options.onProgress), nameOf(source), options.limits);
  const backend = await lookUp(backends, options.backend ?? 'wasm', 'backend')(options);
  try {
    return new DeployedModel(backend, decoded, options, () => backend.dispose());
  } catch (error) {
    backend.dispose();
    throw error;
  }
}

async function bytesOf(
  source: string | URL | Uint8Array | ArrayBuffer,
  onProgress: LoadOptions['onProgress'],
): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  return source instanceof ArrayBuffer ? new Uint8Array(source) : fetchBytes(source, onProgress);
}
