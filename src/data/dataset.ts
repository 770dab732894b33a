/**
 * What a data set is: images as bytes in NHWC order with integer labels, and how their bytes become real numbers.
 *
 * Images stay bytes until the first layer. The real value of a byte is (byte - zeroPoints[channel]) * step, so that a first
 * layer with integer weights is exact and padding with the zero point is padding with 0.
 *
 * Pixels and labels lie in shared memory, so that a loader's worker thread reads them without a copy. Nothing here needs
 * Node: the module also serves browsers.
 */
import type { Augmentation } from '../image/augmentation.js';
import { type ImageShape, imageBytes } from '../image/shape.js';
import { SubbitError } from '../util/errors.js';
import type { Download } from './download.js';

export type { Augmentation } from '../image/augmentation.js';

export interface ImageSet extends ImageShape {
  readonly count: number;
  /** [count, height, width, channels] */
  readonly images: Uint8Array;
  /** [count], each an index into the data set's `classes`. */
  readonly labels: Int32Array;
  /** Damaged records of the source that are not among the images. @default 0 */
  readonly skipped?: number;
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

/** How a data set is read. */
export interface LoadOptions {
  /** What followed the name after a colon, by option: `{ coarse: '' }` of `cifar100:coarse`. Only the kind's own options. */
  readonly choices?: Readonly<Record<string, string>>;
  /** The shape that pictures are brought to while they are decoded; kinds whose images have one size keep that. */
  readonly shape?: ImageShape;
  /** Any damaged record is an error, rather than left out when there are few. @default false */
  readonly strict?: boolean;
  /** Told in one line what was left out, and why. */
  readonly onNotice?: (line: string) => void;
  /** Told how far a stage that may take seconds is, in images or megabytes. */
  readonly onProgress?: (stage: string, done: number, total: number) => void;
}

/** An entry of the list of data sets (index.ts): what is known without reading the data, and how to read it. */
export interface DatasetKind {
  readonly name: string;
  readonly description: string;
  /** What a folder or file of this kind holds, for messages. */
  readonly files: string;
  /** What may follow the name or path after a colon, with what it does. */
  readonly options?: Readonly<Record<string, string>>;
  /** A set of its own, which can be asked for by name; absent for a kind that is recognised by its form alone. */
  readonly published?: PublishedSet;
  /** The folder or file at or in `path` that holds this kind of data, judged by names and first bytes. */
  locate(path: string): string | undefined;
  /** Reads what `locate` found. Throws FormatError for a missing or damaged file. */
  load(path: string, options?: LoadOptions): Promise<Dataset>;
}

export interface PublishedSet {
  readonly numClasses: number;
  /** [height, width, channels] */
  readonly shape: readonly [number, number, number];
  /** Images per split. */
  readonly splits: { readonly train: number; readonly test: number };
  readonly source: string;
  /** The names that its folder may have among the data places; absent for a set that is built in. */
  readonly folders?: readonly string[];
  /** The files that make it, at their official address. */
  readonly downloads: readonly Download[];
}

/** Zeroed memory that threads share, where the platform has it (a browser page must be cross-origin isolated). */
function sharedMemory(bytes: number): ArrayBufferLike {
  try {
    return typeof SharedArrayBuffer === 'undefined' ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes);
  } catch {
    throw new SubbitError(`the images take ${(bytes / 1e9).toFixed(1)} GB, more than this machine gives at once`);
  }
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

/** `parts` one behind the other, as one set. */
export function newJoinedSet(counts: readonly number[], shape: ImageShape): { set: ImageSet; parts: ImageSet[] } {
  const set = newImageSet(
    counts.reduce((sum, count) => sum + count, 0),
    shape,
  );
  let first = 0;
  const parts = counts.map((count) => {
    const part = imagesOf(set, first, count);
    first += count;
    return part;
  });
  return { set, parts };
}

/** Images `first` .. `first + count - 1` of a set, in the same memory. */
export function imagesOf(set: ImageSet, first: number, count: number): ImageSet {
  const size = imageBytes(set);
  const images = set.images.subarray(first * size, (first + count) * size);
  return { ...set, count, images, labels: set.labels.subarray(first, first + count) };
}
