/**
 * The little of WebAssembly's and the browser's JavaScript interfaces that wasm.ts and wasm-browser.ts use: Node's types leave
 * them to the DOM's, which are not loaded.
 */
declare namespace WebAssembly {
  function validate(bytes: Uint8Array): boolean;
  function compile(bytes: Uint8Array): Promise<Module>;
  function instantiate(module: Module, imports: Record<string, Record<string, Memory>>): Promise<Instance>;
  class Module {
    constructor(bytes: Uint8Array);
  }
  interface Instance {
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    constructor(limits: { initial: number; maximum: number; shared: boolean });
    readonly buffer: ArrayBufferLike;
    grow(pages: number): number;
  }
}

declare class Worker {
  constructor(address: string);
  postMessage(message: unknown): void;
  terminate(): void;
}
declare const navigator: { readonly hardwareConcurrency: number };
/** Whether this page may share memory. */
declare var crossOriginIsolated: boolean | undefined;
