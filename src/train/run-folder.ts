/**
 * A run's output folder, whole and owned by one training at a time:
 *
 *     RUN/run.json         the configuration: {"format": "subbit run", "version": 1, "config": {...}}
 *     RUN/config.json      the options of the command that began it, to repeat it with
 *     RUN/metrics.jsonl    see metrics.ts
 *     RUN/tensorboard/     on request, see tensorboard.ts
 *     RUN/checkpoints/     see checkpoint.ts
 *     RUN/lock             see run-lock.ts
 *
 * run.json marks the folder as subbit's: it is written before anything else, and `force` replaces it after it has removed the
 * rest. So nothing is ever removed from a folder without it, and files of other names are never touched.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { show } from '../formats/safetensors.js';
import { removeTemporaryFiles, writeFileAtomic } from '../util/atomic-file.js';
import { FormatError, SubbitError, UsageError } from '../util/errors.js';
import { checkpointFolder, isCheckpointName } from './checkpoint.js';
import { removeEventFiles, tensorboardFolder } from './event-files.js';
import { metricsFile } from './metrics.js';
import { RunLock } from './run-lock.js';

const FORMAT = 'subbit run';
const VERSION = 1;

export interface RunFolderOptions {
  /** The folder to use, created when absent. @default RUNS/NAME-N with the smallest free N from 1 */
  readonly out?: string;
  /** PRESET-BITS, for the default folder. */
  readonly name: string;
  /** The folder of the default folders. @default 'runs' */
  readonly runs?: string;
  /** Removes an earlier run from `out`. @default false */
  readonly force?: boolean;
  /** What run.json holds, as JSON; opaque here. */
  readonly config: unknown;
  /** What config.json holds, as JSON; opaque here. @default no such file */
  readonly options?: unknown;
}

/** A run folder that this process has locked. `close` it; the process's exit does so too. */
export class RunFolder {
  readonly path: string;
  readonly #lock: RunLock;

  private constructor(path: string) {
    this.path = path;
    this.#lock = new RunLock(path);
  }

  /**
   * The folder of a new run. Throws a UsageError when `out` holds a run and `force` is not given, and a SubbitError when
   * another training is using it (which `force` does not override).
   */
  static create({ out, name, runs = 'runs', force = false, config, options }: RunFolderOptions): RunFolder {
    const path = out ?? createNumbered(runs, name);
    if (out !== undefined) makeFolder(out);
    return RunFolder.#locked(path, (folder) => {
      if (force && isOurs(path)) removeRun(path);
      else refuseOccupied(path);
      folder.writeConfig(config);
      if (options !== undefined) writeFileAtomic(optionsFile(path), `${JSON.stringify(options, null, 2)}\n`);
    });
  }

  /** The folder of an existing run, to go on with it. Its configuration: `readRunConfig`. */
  static resume(path: string): RunFolder {
    readRunConfig(path);
    return RunFolder.#locked(path, () => {});
  }

  /** Replaces the configuration, atomically. */
  writeConfig(config: unknown): void {
    writeFileAtomic(
      configFile(this.path),
      `${JSON.stringify({ format: FORMAT, version: VERSION, config }, null, 2)}\n`,
    );
  }

  /** Gives the lock back; a second call does nothing. */
  close(): void {
    this.#lock.release();
  }

  static #locked(path: string, prepare: (folder: RunFolder) => void): RunFolder {
    const folder = new RunFolder(path);
    try {
      if (isOurs(path))
        for (const place of [path, checkpointFolder(path)]) if (existsSync(place)) removeTemporaryFiles(place);
      prepare(folder);
    } catch (error) {
      folder.close();
      throw error;
    }
    return folder;
  }
}

/** The configuration of a run; needs no lock. Throws a UsageError when `path` is no run folder, a FormatError when run.json is damaged. */
export function readRunConfig(path: string): unknown {
  const file = configFile(path);
  const stored = readStored(file);
  if (stored === undefined) throw new UsageError(`'${path}' is not a run folder: it has no run.json`);
  const { format, version, config } = stored;
  if (format !== FORMAT) throw new FormatError(`'${file}' was not written by subbit (its format is ${show(format)})`);
  if (!Number.isSafeInteger(version) || (version as number) < 1) {
    throw new FormatError(`'${file}': the version is ${show(version)}, not a number`);
  }
  if ((version as number) > VERSION) {
    throw new SubbitError(`'${file}' has version ${version}, and this subbit reads up to ${VERSION}: update subbit`);
  }
  return config;
}

export function configFile(run: string): string {
  return join(run, 'run.json');
}

export function optionsFile(run: string): string {
  return join(run, 'config.json');
}

/** RUNS/NAME-N for the smallest N that is free. mkdir refuses what exists, so of two processes only one gets a number. */
function createNumbered(runs: string, name: string): string {
  makeFolder(runs);
  for (let n = 1; ; n++) {
    const path = join(runs, `${name}-${n}`);
    try {
      mkdirSync(path);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotCreate(path, error);
    }
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw cannotCreate(path, error);
  }
}

function cannotCreate(path: string, error: unknown): SubbitError {
  return new SubbitError(`cannot create the folder '${path}': ${(error as Error).message}`, { cause: error });
}

/** Other files beside a run's are welcome; a name that this run would write is not. */
function refuseOccupied(path: string): void {
  const occupied = [configFile(path), optionsFile(path), metricsFile(path), checkpointFolder(path)].filter((place) =>
    existsSync(place),
  );
  if (occupied.length === 0) return;
  if (isOurs(path)) {
    throw new UsageError(
      `'${path}' already holds a run: go on with it (--resume), replace it (--force), or choose another folder (--out)`,
    );
  }
  const names = occupied.map((place) => `'${place}'`).join(', ');
  throw new UsageError(`'${path}' holds ${names}, not written by subbit: choose another folder (--out)`);
}

/** Removes what a run wrote, but for run.json, which the new run replaces in one go. */
function removeRun(path: string): void {
  const checkpoints = checkpointFolder(path);
  if (existsSync(checkpoints)) {
    const names = readdirSync(checkpoints);
    for (const name of names.filter(isCheckpointName)) rmSync(join(checkpoints, name));
    if (names.every(isCheckpointName)) rmdirSync(checkpoints);
  }
  removeEventFiles(tensorboardFolder(path));
  for (const file of [metricsFile(path), optionsFile(path)]) rmSync(file, { force: true });
}

function isOurs(path: string): boolean {
  try {
    return readStored(configFile(path))?.format === FORMAT;
  } catch {
    return false;
  }
}

/** undefined when there is no such file. */
function readStored(file: string): Readonly<Record<string, unknown>> | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw new SubbitError(`cannot read '${file}': ${(error as Error).message}`, { cause: error });
  }
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    throw new FormatError(`'${file}' is not valid JSON (damaged)`);
  }
}
