/**
 * Checkpoints: everything a training run needs to go on as if it had never stopped. One is a safetensors file; its metadata:
 *
 *     format    "subbit checkpoint"
 *     version   of this layout, a decimal number
 *     state     JSON: step, epoch, batch, seed, network, history
 *     sha256    over state, then over each tensor (sorted by name): name, type and shape as a line of JSON, and its bytes
 *
 * A run keeps them in RUN/checkpoints/:
 *
 *     step-0000000123.safetensors    the newest few
 *     best.safetensors               the one with the best accuracy so far
 *     last.safetensors               the newest
 *
 * `best` and `last` are second names (hard links) of a step's file. Every file appears whole or not at all, in the order
 * best, step, last. So a crash in between leaves a `best` that the resumed run, being deterministic, writes again, but never a
 * step whose history speaks of a `best` that is not there.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Shape, TypedArray } from '../core/tensor.js';
import { decodeSafetensors, encodeSafetensors, type StoredTensor, show } from '../formats/safetensors.js';
import { linkFileAtomic, writeFileAtomic } from '../util/atomic-file.js';
import { FormatError, SubbitError } from '../util/errors.js';

const FORMAT = 'subbit checkpoint';
const VERSION = 1;

export interface CheckpointTensor {
  readonly shape: Shape;
  readonly data: TypedArray;
}

export interface History {
  /** 0 before the first evaluation. */
  readonly bestAccuracy: number;
  /** 1-based; 0 before the first evaluation. */
  readonly bestEpoch: number;
  /** Whatever else the trainer wants back, as JSON. */
  readonly [key: string]: unknown;
}

export interface Checkpoint {
  /** Completed training steps. */
  readonly step: number;
  /** The epoch to go on in, 1-based. */
  readonly epoch: number;
  /** The next batch within that epoch, from 0. */
  readonly batch: number;
  readonly seed: number;
  readonly tensors: Readonly<Record<string, CheckpointTensor>>;
  /** Preset, bits and so on, as JSON; opaque here. */
  readonly network: unknown;
  readonly history: History;
}

/** A checkpoint with tensors of its own. (structuredClone would not do: it shares what lies in shared memory.) */
export function copyCheckpoint(checkpoint: Checkpoint): Checkpoint {
  const copies = Object.entries(checkpoint.tensors).map(([name, { shape, data }]) => [
    name,
    { shape, data: data.slice() },
  ]);
  return { ...checkpoint, tensors: Object.fromEntries(copies) as Checkpoint['tensors'] };
}

/** Deterministic bytes. Throws a SubbitError when a number in the state is not finite, as JSON would make it null. */
export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array<ArrayBuffer> {
  const { step, epoch, batch, seed, network, history } = checkpoint;
  const state = JSON.stringify({ step, epoch, batch, seed, network, history }, (key, value: unknown) => {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      throw new SubbitError(`a checkpoint cannot hold ${value} ('${key}'); was the learning rate too high?`);
    }
    return value;
  });
  const rule = brokenRule(JSON.parse(state));
  if (rule !== undefined) throw new SubbitError(`a checkpoint cannot be saved: ${rule}`);
  const hash = hashOf(state, checkpoint.tensors);
  return encodeSafetensors(checkpoint.tensors, { format: FORMAT, version: String(VERSION), state, sha256: hash });
}

/**
 * Throws a FormatError for what is damaged or no checkpoint, and a plain SubbitError for a checkpoint of a newer subbit. The
 * tensors may be views of `bytes`.
 */
export function decodeCheckpoint(bytes: Uint8Array, fileName: string): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(bytes, fileName);
  const { format, version, state, sha256 } = metadata;
  if (format !== FORMAT) throw new FormatError(`'${fileName}' is a safetensors file, but not a subbit checkpoint`);
  if (version === undefined || !/^[1-9]\d{0,8}$/.test(version)) {
    throw new FormatError(`'${fileName}': the checkpoint version is ${show(version)}, not a number`);
  }
  if (Number(version) > VERSION) {
    throw new SubbitError(
      `'${fileName}' is a checkpoint of version ${version}, and this subbit reads up to ${VERSION}: update subbit`,
    );
  }
  if (state === undefined || sha256 === undefined || hashOf(state, tensors) !== sha256) {
    throw new FormatError(`'${fileName}': the contents do not match their sha256 (damaged)`);
  }
  // The hash has vouched for the text, so this is what encodeCheckpoint wrote, unless somebody made the file by other means.
  let parsed: unknown;
  try {
    parsed = JSON.parse(state);
  } catch {
    throw new FormatError(`'${fileName}': the checkpoint's state is not valid JSON`);
  }
  const rule = brokenRule(parsed) ?? foreignTensor(tensors);
  if (rule !== undefined) throw new FormatError(`'${fileName}': ${rule}`);
  return { ...(parsed as Omit<Checkpoint, 'tensors'>), tensors };
}

/** As `decodeCheckpoint`; a file that cannot be read is a FormatError too. */
export function loadCheckpoint(file: string): Checkpoint {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new FormatError(`cannot read '${file}': ${(error as Error).message}`, { cause: error });
  }
  return decodeCheckpoint(bytes, file);
}

export interface SaveOptions {
  /** Also becomes `best.safetensors`. @default false */
  readonly isBest?: boolean;
  /** How many step files stay, this one included. @default 2 */
  readonly keep?: number;
}

/** Saves into RUN/checkpoints/ and returns the file's path. */
export function saveCheckpoint(
  run: string,
  checkpoint: Checkpoint,
  { isBest = false, keep = 2 }: SaveOptions = {},
): string {
  if (!Number.isSafeInteger(keep) || keep < 1) {
    throw new SubbitError(`the number of checkpoints to keep must be an integer >= 1, not ${keep}`);
  }
  const bytes = encodeCheckpoint(checkpoint);
  const folder = checkpointFolder(run);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, stepName(checkpoint.step));
  if (isBest) {
    writeFileAtomic(bestFile(run), bytes);
    linkFileAtomic(bestFile(run), file);
  } else {
    writeFileAtomic(file, bytes);
  }
  linkFileAtomic(file, lastFile(run));
  prune(folder, checkpoint.step, keep);
  return file;
}

/** Files of later steps go too: the run went on from an earlier step because they were damaged. */
function prune(folder: string, step: number, keep: number): void {
  const steps = stepsIn(folder);
  const kept = steps.filter((other) => other <= step).slice(0, keep);
  for (const other of steps) if (!kept.includes(other)) rmSync(join(folder, stepName(other)), { force: true });
}

export interface NewestCheckpoint {
  /** Absent when the run has no checkpoint that can be read. */
  readonly found?: { readonly file: string; readonly checkpoint: Checkpoint };
  /** Damaged files met on the way, newest first; `why` is a line that names the file. */
  readonly skipped: readonly { readonly file: string; readonly why: string }[];
}

/** The newest good checkpoint of a run. Throws when a file was written by a newer subbit, which is no damage to be skipped. */
export function findNewest(run: string): NewestCheckpoint {
  const folder = checkpointFolder(run);
  const names = new Set(listFolder(folder));
  const candidates = stepsIn(folder).map((step) => join(folder, stepName(step)));
  for (const file of [lastFile(run), bestFile(run)]) if (names.has(basename(file))) candidates.push(file);

  let found: NewestCheckpoint['found'];
  const skipped: { file: string; why: string }[] = [];
  for (const file of candidates) {
    // The order is newest first as long as nothing is damaged; `best` may be newer than an old step's file.
    if (found !== undefined && skipped.length === 0) break;
    try {
      const checkpoint = loadCheckpoint(file);
      if (found === undefined || checkpoint.step > found.checkpoint.step) found = { file, checkpoint };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      skipped.push({ file, why: error.message });
    }
  }
  return found === undefined ? { skipped } : { found, skipped };
}

export function checkpointFolder(run: string): string {
  return join(run, 'checkpoints');
}

export function bestFile(run: string): string {
  return join(checkpointFolder(run), 'best.safetensors');
}

export function lastFile(run: string): string {
  return join(checkpointFolder(run), 'last.safetensors');
}

/** Whether `name` is one that `saveCheckpoint` gives. */
export function isCheckpointName(name: string): boolean {
  return /^(step-\d{10,16}|best|last)\.safetensors$/.test(name);
}

function stepName(step: number): string {
  return `step-${String(step).padStart(10, '0')}.safetensors`;
}

/** The steps that have a file in `folder`, newest first. */
function stepsIn(folder: string): number[] {
  const names = listFolder(folder).filter((name) => /^step-\d+\.safetensors$/.test(name));
  const steps = names.map((name) => Number.parseInt(name.slice('step-'.length), 10));
  return steps.filter((step, i) => stepName(step) === names[i]).sort((a, b) => b - a);
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new SubbitError(`cannot read '${folder}': ${(error as Error).message}`, { cause: error });
  }
}

function hashOf(state: string, tensors: Checkpoint['tensors']): string {
  const hash = createHash('sha256').update(state);
  for (const name of Object.keys(tensors).sort()) {
    const { shape, data } = tensors[name]!;
    hash.update(`\n${JSON.stringify([name, data[Symbol.toStringTag], shape])}\n`);
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

function brokenRule(state: unknown): string | undefined {
  const { step, epoch, batch, seed, history } = (state ?? {}) as Record<string, unknown>;
  for (const [name, value] of Object.entries({ step, epoch, batch, seed })) {
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      return `the checkpoint's ${name} is ${show(value)}, not an integer >= 0`;
    }
  }
  const { bestAccuracy, bestEpoch } = (history ?? {}) as Record<string, unknown>;
  if (typeof bestAccuracy !== 'number' || typeof bestEpoch !== 'number') {
    return `the checkpoint's history has bestAccuracy ${show(bestAccuracy)} and bestEpoch ${show(bestEpoch)}, not two numbers`;
  }
  return undefined;
}

function foreignTensor(tensors: Readonly<Record<string, StoredTensor>>): string | undefined {
  for (const [name, { dtype }] of Object.entries(tensors)) {
    if (!['F32', 'U8', 'I32'].includes(dtype))
      return `tensor '${name}' has the type ${dtype}; a checkpoint has F32, U8 and I32`;
  }
  return undefined;
}
