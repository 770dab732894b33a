/**
 * One training per run folder. The lock is the file RUN/lock, created exclusively; it holds pid, host and start time as JSON
 * and goes when it is released or the process exits. A killed process leaves it behind: a lock whose process is dead on this
 * very host is taken over. What runs on other hosts cannot be seen, so their locks always count as held.
 *
 * Taking over is remove, then create, and two processes that both found the lock stale must not remove each other's new one.
 * So both looking and removing happen while holding a second exclusive file, RUN/lock.takeover, for some microseconds.
 */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { SubbitError } from '../util/errors.js';

export const LOCK_NAME = 'lock';
const TAKEOVER_SUFFIX = '.takeover';

/** A lock whose text cannot be read is being written right now, or was torn by a crash when it is older than this. */
const TORN_AFTER_MILLISECONDS = 5_000;

interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** ISO 8601. */
  readonly started: string;
}

export class RunLock {
  readonly #file: string;
  readonly #text: string;
  readonly #onExit = (): void => this.release();

  /** Takes the lock of the existing folder `run`, or throws a SubbitError that names who holds it. */
  constructor(run: string) {
    this.#file = join(run, LOCK_NAME);
    const holder: LockHolder = { pid: process.pid, host: hostname(), started: new Date().toISOString() };
    this.#text = `${JSON.stringify(holder)}\n`;
    if (!createExclusive(this.#file, this.#text)) this.#takeOver(run);
    process.on('exit', this.#onExit);
  }

  /** Gives the lock back; a second call does nothing. */
  release(): void {
    process.off('exit', this.#onExit);
    // Somebody may have removed the file by hand and another training may have made its own.
    if (readText(this.#file) === this.#text) rmSync(this.#file, { force: true });
  }

  #takeOver(run: string): void {
    const takeover = this.#file + TAKEOVER_SUFFIX;
    if (!createExclusive(takeover, this.#text)) {
      throw new SubbitError(
        `'${run}' is just being taken over by another training; if none is running, remove '${takeover}' and try again`,
      );
    }
    try {
      const text = readText(this.#file);
      const held = text === undefined ? undefined : describeHolder(this.#file, text);
      // What was given back meanwhile may be another training's again: only what was read is removed.
      if (text !== undefined && held === undefined) rmSync(this.#file, { force: true });
      if (held !== undefined || !createExclusive(this.#file, this.#text)) {
        const remedy = `wait for it, choose another --out, or remove '${this.#file}' if it no longer runs`;
        throw new SubbitError(`'${run}' is in use by ${held ?? 'a training that started this moment'}: ${remedy}`);
      }
    } finally {
      rmSync(takeover, { force: true });
    }
  }
}

/** Who holds the lock, in words, or undefined when it is stale. */
function describeHolder(file: string, text: string): string | undefined {
  const holder = parseHolder(text);
  if (holder === undefined) {
    const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    return age > TORN_AFTER_MILLISECONDS ? undefined : 'a training that is just starting';
  }
  const isStale = holder.host === hostname() && !isAlive(holder);
  return isStale ? undefined : `process ${holder.pid} on ${holder.host}, since ${holder.started}`;
}

function parseHolder(text: string): LockHolder | undefined {
  try {
    const { pid, host, started } = JSON.parse(text) as Partial<LockHolder>;
    return Number.isSafeInteger(pid) && typeof host === 'string' && typeof started === 'string'
      ? { pid: pid as number, host, started }
      : undefined;
  } catch {
    return undefined;
  }
}

function isAlive({ pid, started }: LockHolder): boolean {
  if (pid === process.pid) {
    // A restarted container gives the same small pid again: a lock older than this process belongs to a dead one. The
    // second of tolerance is for clocks that were set; it errs towards alive.
    return Date.parse(started) > Date.now() - process.uptime() * 1000 - 1000;
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** False when the file is there already. */
function createExclusive(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new SubbitError(`cannot write '${file}': ${(error as Error).message}`, { cause: error });
  }
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
