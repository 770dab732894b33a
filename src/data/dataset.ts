/**
 * What a data set is: images as bytes in NHWC order with integer labels, and how their bytes become real numbers.
 *
 * Images stay bytes until the first layer. The real value of a byte is (byte - zeroPoints[channel]) * step, so that a first
 * layer with integer weights is exact and padding with the zero point is padding with 0.
 *
 * Pixels and labels lie in shared memory, so that a loader's worker thread reads them without a copy. Nothing here needs
 * Node: the module also serves browsers.
 */
import type { ImageShape } from '../image/shape.js';

export interface ImageSet extends ImageShape {
  readonly count: number;
  /** [count, height, width, channels] */
  readonly images: Uint8Array;
  /** [count], each an index into the data set's `classes`. */
  readonly labels: Int32Array;
}

/** Which random changes training images get; they never depend on the other images of a batch. */
export interface Augmentation {
  /** Images are padded by this many pixels on each side and cropped back at a random place; 0 is none. */
  readonly cropPadding: number;
  /** Mirror an image left to right with probability 1/2. */
  readonly flip: boolean;
}

export interface Dataset {
  readonly name: string;
  readonly classes: readonly string[];
  readonly train: ImageSet;
  readonly test: ImageSet;
  /** The byte that means 0, per channel. */
  readonly zeroPoints: readonly number[];
  /** Real units per byte. */
  readonly step: number;
  /** Where the data comes from, and its licence. */
  readonly source: string;
  /** What training does with the images unless told otherwise. */
  readonly augmentation: Augmentation;
}

/** An entry of the list of data sets (index.ts): what is known without reading the data, and how to read it. */
export interface DatasetKind {
  readonly name: string;
  readonly description: string;
  readonly classes: readonly string[];
  /** [height, width, channels] */
  readonly shape: readonly [number, number, number];
  /** Images per split of the published data. */
  readonly splits: { readonly train: number; readonly test: number };
  readonly source: string;
  /** The files that a directory of this kind holds, for messages; absent for a data set that is built in. */
  readonly files?: string;
  /** The directory at or in `path` that holds this kind of data, judged by its files. */
  locate(path: string): string | undefined;
  /** Where the data is on this machine; undefined where it is not. */
  find(): string | undefined;
  /** Reads the data found by `locate` or `find`. Throws FormatError for a missing or damaged file. */
  load(path: string): Promise<Dataset>;
}

/** Zeroed memory that threads share, where the platform has it (a browser page must be cross-origin isolated). */
function sharedMemory(bytes: number): ArrayBufferLike {
  return typeof SharedArrayBuffer === 'undefined' ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes);
}

export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(sharedMemory(length));
}

export function sharedIntegers(length: number): Int32Array {
  return new Int32Array(sharedMemory(length * Int32Array.BYTES_PER_ELEMENT));
}

/** A set of `count` black images with label 0, to be filled. */
export function newImageSet(count: number, { height, width, channels }: ImageShape): ImageSet {
  const images = sharedBytes(count * height * width * channels);
  return { count, height, width, channels, images, labels: sharedIntegers(count) };
}
