/**
 * A deployed network in use: image bytes in, integers out, the same on every backend.
 *
 * The plan has a fixed number of images, `batch`; any number of images goes through it in whole batches, of which the last may
 * be partly idle. A run allocates nothing but, for the result, an array when the caller brings none. It is awaited, because a GPU
 * answers later; calls that overlap take turns, since they share the plan's memory.
 */
import { Plan, Variables } from '../backends/plan.js';
import type { Backend } from '../core/backend.js';
import type { Graph } from '../core/graph.js';
import { bytesOf, sizeOf, type TensorType } from '../core/tensor.js';
import {
  type DecodedNetwork,
  type DeployedNetwork,
  imagesName,
  logitsName,
  type NetworkInput,
  toGraph,
  verificationImages,
} from '../formats/subbit.js';
import { convertImage } from '../image/convert.js';
import { type ImageShape, imageBytes } from '../image/shape.js';
import { type SelectOptions, selectKernels } from '../passes/select-kernels.js';
import { UsageError } from '../util/errors.js';
import { Turns } from '../util/turns.js';
import { type Classification, classificationOf } from './classification.js';
import { type Picture, pixelsOf } from './pixels.js';

export interface ModelOptions {
  /** Images at a time, at most: fewer where the tensors of more would leave the processor's cache. @default 1 */
  readonly batch?: number | undefined;
  /** Chooses kernels. @default in Node what `bench --tune` measured on this machine, else the built-in table */
  readonly kernelOf?: SelectOptions['kernelOf'] | undefined;
}

/** A logit that is not what the file says. */
export interface Difference {
  readonly image: number;
  readonly class: number;
  readonly expected: number;
  readonly actual: number;
}

export interface VerificationResult {
  readonly identical: boolean;
  /** Images that were compared; 0 when the file has no verification vectors. */
  readonly vectors: number;
  readonly firstDifference?: Difference;
}

export class DeployedModel {
  readonly input: NetworkInput;
  /** Names in label order. */
  readonly classes: readonly string[];
  /** Where the network comes from. */
  readonly origin: DeployedNetwork['origin'];
  /** Real units per integer of a result. */
  readonly step: number;
  /** Images at a time. */
  readonly batch: number;
  readonly backend: Pick<Backend, 'name' | 'isa' | 'threads'>;
  readonly #network: DeployedNetwork;
  readonly #plan: Plan;
  readonly #variables: Variables;
  readonly #imageBytes: number;
  readonly #turns = new Turns();
  #release: () => void;

  /** The backend outlives the model, unless `release` ends it. */
  constructor(
    backend: Backend,
    { network, types }: DecodedNetwork,
    options: ModelOptions = {},
    release: () => void = () => {},
  ) {
    const { batch = 1 } = options;
    if (!Number.isSafeInteger(batch) || batch < 1)
      throw new UsageError(`the batch must be a positive integer, not ${batch}`);
    // Kernels count elements in i32.
    const largest = [...types.values()].reduce((most, { shape }) => Math.max(most, sizeOf(shape)), 0);
    if (largest * batch >= 2 ** 31) throw new UsageError(`a batch of ${batch} images is too large; use a smaller one`);
    this.#network = network;
    this.input = network.input;
    this.classes = network.classes;
    this.origin = network.origin;
    this.step = types.get(network.output)!.encoding!.step;
    this.batch = Math.min(batch, imagesInCache(types.values()));
    this.backend = backend;
    this.#imageBytes = imageBytes(network.input);
    this.#variables = new Variables(backend);
    this.#plan = new Plan(kernelsFor(backend, toGraph(network, this.batch), options), this.#variables);
    this.#release = release;
  }

  /**
   * The integers of each image, [count, classes]; times `step` they are the logits. `images` are bytes [count, H, W, C] of the
   * input's size (see `prepare`). Writes to `out` when given.
   */
  async run(images: Uint8Array, out?: Int32Array): Promise<Int32Array> {
    const count = images.length / this.#imageBytes;
    const { height, width, channels } = this.input;
    if (!Number.isInteger(count))
      throw new UsageError(`${images.length} bytes are not a number of ${height}x${width}x${channels} images`);
    const numClasses = this.classes.length;
    const results = out ?? new Int32Array(count * numClasses);
    if (results.length !== count * numClasses) {
      throw new UsageError(
        `the results of ${count} images are ${count * numClasses} integers, and the array has ${results.length}`,
      );
    }
    return this.#turns.take(() => this.#runBatches(images, results));
  }

  async #runBatches(images: Uint8Array, results: Int32Array): Promise<Int32Array> {
    const count = images.length / this.#imageBytes;
    const numClasses = this.classes.length;
    if (count === this.batch) {
      this.#plan.tensor(imagesName).set(images);
      this.#plan.run();
      await this.#plan.read([logitsName]);
      results.set(this.#plan.tensor(logitsName));
      return results;
    }
    for (let first = 0; first < count; first += this.batch) {
      const here = Math.min(this.batch, count - first);
      const input = this.#plan.tensor(imagesName);
      input.set(images.subarray(first * this.#imageBytes, (first + here) * this.#imageBytes));
      this.#plan.run();
      await this.#plan.read([logitsName]);
      const logits = this.#plan.tensor(logitsName);
      for (let i = 0; i < here * numClasses; i++) results[first * numClasses + i] = logits[i]!;
    }
    return results;
  }

  /** The likeliest class of each image, with its probability, and the `top` likeliest (1 by default). */
  async classify(images: Uint8Array, { top = 1 }: { readonly top?: number } = {}): Promise<Classification[]> {
    const integers = await this.run(images);
    const numClasses = this.classes.length;
    return Array.from({ length: integers.length / numClasses }, (_, i) =>
      this.#classification(integers.subarray(i * numClasses, (i + 1) * numClasses), top),
    );
  }

  #classification(integers: Int32Array, top: number): Classification {
    const highest = integers.reduce((max, value) => Math.max(max, value), Number.NEGATIVE_INFINITY);
    const weights = Array.from(integers, (value) => Math.exp((value - highest) * this.step));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const probabilities = weights.map((weight) => weight / total);
    return classificationOf(integers, probabilities, { classes: this.classes, top });
  }

  /** One image of any size with 1 (grey), 2 (grey, alpha), 3 or 4 (RGBA) channels, as the network takes it. */
  prepare(image: Uint8Array | Uint8ClampedArray, shape: ImageShape): Uint8Array;
  /** A picture of a browser (pixels.ts), stretched to the network's input. */
  prepare(picture: Picture): Uint8Array;
  prepare(image: Uint8Array | Uint8ClampedArray | Picture, shape?: ImageShape): Uint8Array {
    if (shape !== undefined) return convertImage(image as Uint8Array, shape, this.input);
    const pixels = pixelsOf(image as Picture, this.input);
    return convertImage(pixels.data, pixels.shape, this.input);
  }

  /** Whether the verification images of the file give the integers of the file. */
  async verify(): Promise<VerificationResult> {
    const { verification } = this.#network;
    if (verification === undefined) return { identical: true, vectors: 0 };
    const { seed, count, expected } = verification;
    const actual = await this.run(verificationImages(this.input, seed, count));
    const firstDifference = firstDifferenceOf(expected, actual, this.classes.length);
    return { identical: firstDifference === undefined, vectors: count, ...(firstDifference && { firstDifference }) };
  }

  dispose(): void {
    this.#plan.dispose();
    this.#variables.dispose();
    this.#release();
    this.#release = () => {};
  }
}

/** The reference runs the network as it stands; kernels run what they are fastest at, with the same integers. */
function kernelsFor(backend: Backend, graph: Graph, { kernelOf }: ModelOptions): Graph {
  if (backend.name === 'reference') return graph;
  return selectKernels(graph, { isa: backend.isa, ...(kernelOf && { kernelOf }) });
}

/** About a second-level cache. */
const cacheBytes = 1 << 20;

/**
 * How many images go through a network together best: as many as leave a layer's input and output in the cache. (ResNet-18 at
 * 224x224 is a tenth faster image by image than 64 at once, and on two threads a fifth.)
 */
function imagesInCache(types: Iterable<TensorType>): number {
  let largest = 1;
  for (const type of types) largest = Math.max(largest, bytesOf(type));
  return Math.max(1, Math.floor(cacheBytes / (2 * largest)));
}

/** The first element that differs between two results [images, classes]. */
export function firstDifferenceOf(
  expected: Int32Array,
  actual: Int32Array,
  numClasses: number,
): Difference | undefined {
  for (let i = 0; i < expected.length; i++) {
    if (expected[i] === actual[i]) continue;
    const image = Math.floor(i / numClasses);
    return { image, class: i % numClasses, expected: expected[i]!, actual: actual[i]! };
  }
  return undefined;
}
