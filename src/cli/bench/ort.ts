/**
 * ONNX Runtime as a peer: onnxruntime-node ('ort', its native kernels) and onnxruntime-web ('ort-web', its WebAssembly). Both
 * are optional and loaded when asked for, from the project or from a folder of their own; the little of their interface that is
 * used is declared here, so that subbit compiles without them.
 *
 * A session gets all optimizations, as many threads as subbit gets, and inputs that exist before the clock starts. What is
 * timed is `session.run`, the call that a user makes.
 */
import { pathToFileURL } from 'node:url';
import type { OnnxArray, OnnxElementType } from '../../formats/onnx-model.js';
import { SubbitError, UsageError } from '../../util/errors.js';
import { findPackage } from '../packages.js';

export const ortPackages = { ort: 'onnxruntime-node', 'ort-web': 'onnxruntime-web' } as const;

export type OrtName = keyof typeof ortPackages;

interface OrtTensor {
  readonly data: OnnxArray;
  readonly dims: readonly number[];
}

interface OrtSession {
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}

interface OrtModule {
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<OrtSession>;
  };
  readonly Tensor: new (type: OnnxElementType, data: OnnxArray, dims: readonly number[]) => OrtTensor;
  readonly env: {
    readonly versions: { readonly common: string };
    readonly wasm: { numThreads?: number };
    logLevel?: string;
  };
}

export interface OrtInput {
  readonly type: OnnxElementType;
  readonly shape: readonly number[];
  readonly data: OnnxArray;
}

export interface OrtOptions {
  /** onnxruntime-web takes the number of the first session of the process for all. */
  readonly threads: number;
  /** A folder with a node_modules that has the packages. @default the working directory, then where subbit is installed */
  readonly folder?: string | undefined;
}

/** A model ready to run on inputs that stay the same. */
export interface OrtRunner {
  run(): Promise<void>;
  /** Runs once and returns the contents of every output by name. */
  results(): Promise<Record<string, OnnxArray>>;
  dispose(): Promise<void>;
}

export class Ort {
  readonly name: OrtName;
  readonly version: string;
  readonly #module: OrtModule;
  readonly #threads: number;

  private constructor(name: OrtName, module: OrtModule, threads: number) {
    this.name = name;
    this.version = module.env.versions.common;
    this.#module = module;
    this.#threads = threads;
  }

  /** Throws a UsageError that says how to install a package that is not here. */
  static async load(name: OrtName, { threads, folder }: OrtOptions): Promise<Ort> {
    const entry = findPackage(ortPackages[name], folder);
    if (entry === undefined) {
      throw new UsageError(
        `the peer '${name}' is not installed${folder === undefined ? '' : ` in '${folder}'`}; ` +
          'ONNXRUNTIME_NODE_INSTALL=skip npm install --no-save onnxruntime-node onnxruntime-web',
      );
    }
    let module: OrtModule;
    try {
      const imported = (await import(pathToFileURL(entry).href)) as { default?: OrtModule } & OrtModule;
      module = imported.InferenceSession === undefined ? imported.default! : imported;
    } catch (error) {
      throw new SubbitError(`the peer '${name}' does not load: ${(error as Error).message.split('\n')[0]}`);
    }
    // Warnings about models (opset, unused names) would otherwise go to standard output.
    module.env.logLevel = 'error';
    if (name === 'ort-web') module.env.wasm.numThreads = threads;
    return new Ort(name, module, threads);
  }

  /** Compiles a model. Throws a SubbitError with the runtime's reason when it refuses. */
  async prepare(model: Uint8Array, inputs: Readonly<Record<string, OrtInput>>): Promise<OrtRunner> {
    const { InferenceSession, Tensor } = this.#module;
    const isWeb = this.name === 'ort-web';
    let session: OrtSession;
    try {
      session = await InferenceSession.create(model, {
        executionProviders: [isWeb ? 'wasm' : 'cpu'],
        graphOptimizationLevel: 'all',
        executionMode: 'sequential',
        logSeverityLevel: 3,
        ...(isWeb ? {} : { intraOpNumThreads: this.#threads, interOpNumThreads: 1 }),
      });
    } catch (error) {
      throw new SubbitError(`${ortPackages[this.name]} refuses the model: ${(error as Error).message.split('\n')[0]}`);
    }
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, { type, shape, data }]) => [name, new Tensor(type, data, shape)]),
    );
    return {
      run: async () => {
        await session.run(feeds);
      },
      results: async () =>
        Object.fromEntries(Object.entries(await session.run(feeds)).map(([name, { data }]) => [name, data])),
      dispose: () => session.release(),
    };
  }
}
