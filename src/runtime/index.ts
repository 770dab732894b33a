/**
 * subbit/runtime in Node: deployed networks, without anything of training.
 *
 *     import { load } from 'subbit/runtime';
 *     const model = await load('digits.subbit');
 *     const [best] = await model.classify(model.prepare(pixels, { height, width, channels: 3 }));
 */
import { readFile } from 'node:fs/promises';
import type { OpenBackendOptions } from '../backends/open.js';
import { decodeSubbit, type NetworkLimits } from '../formats/subbit.js';
import { FormatError } from '../util/errors.js';
import { fetchBytes, nameOf } from './fetch-bytes.js';
import type { DeployedModel, ModelOptions } from './model.js';
import { openModel } from './open-model.js';

export type { NetworkInput, NetworkLimits } from '../formats/subbit.js';
export type { ImageShape } from '../image/shape.js';
export { FormatError, SubbitError, UsageError } from '../util/errors.js';
export type { Classification, ScoredClass } from './classification.js';
export type { DeployedModel, Difference, ModelOptions, VerificationResult } from './model.js';
export type { Picture, Pixels } from './pixels.js';

export interface LoadOptions extends OpenBackendOptions, ModelOptions {
  /** What one image may cost at most; lower them for files of strangers. */
  readonly limits?: NetworkLimits;
}

/**
 * Loads a `.subbit` file: its path, its address or its bytes. Throws a FormatError for a file that is damaged or missing, a
 * UsageError for options that do not fit.
 */
export async function load(
  source: string | URL | Uint8Array | ArrayBuffer,
  options: LoadOptions = {},
): Promise<DeployedModel> {
  return openModel(decodeSubbit(await bytesOf(source), nameOf(source), options.limits), options);
}

async function bytesOf(source: string | URL | Uint8Array | ArrayBuffer): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (/^https?:/.test(String(source))) return fetchBytes(source);
  try {
    return await readFile(source);
  } catch (error) {
    throw new FormatError(`cannot read '${nameOf(source)}': ${(error as Error).message}`, { cause: error });
  }
}
