/**
 * Kernel choices that `subbit bench --tune` measured on this machine, kept in the user's cache folder: one file per backend and
 * instruction set. They change which kernel runs, never a result.
 */
import { readFileSync } from 'node:fs';
import { cpus, homedir } from 'node:os';
import { join } from 'node:path';
import { families } from '../ops/packed-conv2d/families.js';
import {
  type chooseKernel,
  chooserOf,
  type KernelName,
  type TunedChoices,
} from '../ops/packed-conv2d/kernel-choice.js';

/** Of the file's layout. */
const version = 1;

export interface Tuning {
  readonly version: number;
  /** The processor that was measured; a file of another one is not used. */
  readonly cpu: string;
  readonly choices: TunedChoices;
}

/** $XDG_CACHE_HOME or ~/.cache, then subbit/kernels-BACKEND-ISA.json. */
export function tuningFile(backend: string, isa: string): string {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(cache, 'subbit', `kernels-${backend}-${isa}.json`);
}

export function tuningOf(choices: TunedChoices): Tuning {
  return { version, cpu: cpus()[0]?.model ?? '', choices };
}

/** What chooses kernels: the measured choices when there are some for this machine, the built-in table otherwise. */
export function tunedChooser(backend: {
  readonly name: string;
  readonly isa: string;
}): typeof chooseKernel | undefined {
  let tuning: Partial<Tuning>;
  try {
    tuning = JSON.parse(readFileSync(tuningFile(backend.name, backend.isa), 'utf8')) as Partial<Tuning>;
  } catch {
    // No file, or one that is no JSON: as if nobody had measured.
    return undefined;
  }
  if (tuning?.version !== version || tuning.cpu !== cpus()[0]?.model || typeof tuning.choices !== 'object')
    return undefined;
  const isKernel = (name: unknown): name is KernelName => name === 'plain' || Object.hasOwn(families, String(name));
  const choices = Object.fromEntries(Object.entries(tuning.choices ?? {}).filter(([, name]) => isKernel(name)));
  return chooserOf(choices);
}
