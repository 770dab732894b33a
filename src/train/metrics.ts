/**
 * metrics.jsonl: what a training run reports, one JSON object per line, for scripts and the dashboard.
 *
 *     {"type":"step","step":1,"epoch":1,"loss":2.31,"learningRate":0.001,"imagesPerSecond":840}
 *     {"type":"epoch","step":390,"epoch":1,"trainLoss":1.7,"testLoss":1.5,"testAccuracy":0.44,"seconds":61,"inputWaitSeconds":0.01}
 *     {"type":"renewal","step":26,"changes":{"conv1":{"added":[18],"removed":[400]}, ..}}      where codewords are selected
 *     {"type":"diagnostics","step":100,"layers":[{"name":"conv1","gradientBias":0.001, ..}]}    on request, see diagnostics.ts
 *     {"type":"histograms","step":390,"epoch":1,"layers":[{"name":"conv1","weights":{"min":-0.1, ..}, ..}]}   likewise, see histograms.ts
 *
 * `step` counts completed steps, so a line with step S tells of what checkpoint S already contains; an epoch's line carries
 * its last step. A resumed run cuts the file back to its checkpoint's step (lines with a greater step go) and then writes the
 * same lines again. A crash can tear only the end of the last line; that piece is dropped.
 *
 * JSON has no NaN and no infinities: JSON.stringify writes them as null, and `readMetrics` returns them as NaN. (In diagnostics
 * null is what does not apply.)
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { show } from '../formats/safetensors.js';
import { writeFileAtomic } from '../util/atomic-file.js';
import { FormatError, SubbitError } from '../util/errors.js';
import type { CodewordChange, CodewordChanges } from './codeword-changes.js';
import type { LayerDiagnostics } from './diagnostics.js';
import { isHistograms, type LayerHistograms } from './histograms.js';

export interface StepLine {
  readonly type: 'step';
  /** Completed steps, so 1 for the first. */
  readonly step: number;
  /** 1-based. */
  readonly epoch: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
}

export interface EpochLine {
  readonly type: 'epoch';
  /** The last step of the epoch. */
  readonly step: number;
  /** 1-based. */
  readonly epoch: number;
  readonly trainLoss: number;
  readonly testLoss: number;
  /** A fraction, 0 .. 1. */
  readonly testAccuracy: number;
  readonly seconds: number;
  /** Time that training waited for batches; absent in runs of older versions. */
  readonly inputWaitSeconds?: number;
}

export interface DiagnosticsLine {
  readonly type: 'diagnostics';
  readonly step: number;
  readonly layers: readonly LayerDiagnostics[];
}

/** Of the epoch's last step, before its update. */
export interface HistogramsLine {
  readonly type: 'histograms';
  readonly step: number;
  /** 1-based. */
  readonly epoch: number;
  readonly layers: readonly LayerHistograms[];
}

/** A renewal of the selection of codewords; changes by what the sub-codebooks serve. */
export interface RenewalLine {
  readonly type: 'renewal';
  readonly step: number;
  readonly changes: CodewordChanges;
}

export type MetricsLine = StepLine | EpochLine | DiagnosticsLine | HistogramsLine | RenewalLine;

/** Lines wait in memory at most this long while more are appended, so that a dashboard sees a run that is alive. */
const MAX_DELAY_MILLISECONDS = 1000;

export class MetricsWriter {
  readonly #file: string;
  readonly #descriptor: number;
  #isOpen = true;
  #waiting = '';
  #writtenAt = Date.now();

  /** Opens `file`, cut back to `step`: 0 for a new run, the checkpoint's step for one that goes on. */
  constructor(file: string, step: number) {
    cutMetrics(file, step);
    this.#file = file;
    this.#descriptor = this.#attempt(() => openSync(file, 'a'));
  }

  append(line: MetricsLine): void {
    this.#waiting += `${JSON.stringify(line)}\n`;
    if (Date.now() - this.#writtenAt >= MAX_DELAY_MILLISECONDS) this.#write();
  }

  /** Forces all lines to the disk. Call it before saving a checkpoint: a checkpoint without its lines could not get them back. */
  flush(): void {
    this.#write();
    this.#attempt(() => fsyncSync(this.#descriptor));
  }

  /** Flushes and closes; a second call does nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.flush();
    } finally {
      closeSync(this.#descriptor);
    }
  }

  #write(): void {
    const text = this.#waiting;
    this.#waiting = '';
    this.#writtenAt = Date.now();
    this.#attempt(() => writeFileSync(this.#descriptor, text));
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw new SubbitError(`cannot write '${this.#file}': ${(error as Error).message}`, { cause: error });
    }
  }
}

/**
 * Removes all lines with a step after `step` and a torn last one, atomically. Lines without a step stay. A missing file
 * stays missing. Throws a FormatError for a line that is not JSON.
 */
export function cutMetrics(file: string, step: number): void {
  const text = readText(file, '');
  const lines = parseLines(text, file).filter(({ value }) => !(Number(value.step) > step));
  const kept = lines.map((line) => `${line.text}\n`).join('');
  if (kept !== text) writeFileAtomic(file, kept);
}

/**
 * All lines of the file in order, also while a run is writing it. Lines of types that are not named here, from a newer subbit,
 * are left out. Throws a FormatError for a line that is not what it should be, unless it is a torn last one.
 */
export function readMetrics(file: string): MetricsLine[] {
  return parseLines(readText(file), file).flatMap(({ value, number }) => {
    const keys = Object.hasOwn(numbersOf, value.type as string)
      ? numbersOf[value.type as MetricsLine['type']]
      : undefined;
    if (keys === undefined) return [];
    for (const key of keys) {
      if (value[key] === null) value[key] = Number.NaN;
      if (typeof value[key] !== 'number') {
        throw new FormatError(`'${file}', line ${number}: ${key} is ${show(value[key])}, not a number`);
      }
    }
    if (value.type === 'renewal' && !isChanges(value.changes))
      throw new FormatError(`'${file}', line ${number}: changes is no object of added and removed codewords`);
    if (value.type === 'diagnostics' && !Array.isArray(value.layers))
      throw new FormatError(`'${file}', line ${number}: layers is ${show(value.layers)}, not a list`);
    if (value.type === 'histograms' && !isHistograms(value.layers))
      throw new FormatError(`'${file}', line ${number}: layers is no list of histograms`);
    return [value as unknown as MetricsLine];
  });
}

function isChanges(changes: unknown): boolean {
  const isIds = (list: unknown): boolean => Array.isArray(list) && list.every(Number.isInteger);
  const isChange = (each: unknown): boolean => {
    const { added, removed } = Object(each) as Partial<CodewordChange>;
    return isIds(added) && isIds(removed);
  };
  return typeof changes === 'object' && changes !== null && Object.values(changes).every(isChange);
}

export function metricsFile(run: string): string {
  return join(run, 'metrics.jsonl');
}

const numbersOf = {
  step: ['step', 'epoch', 'loss', 'learningRate', 'imagesPerSecond'],
  epoch: ['step', 'epoch', 'trainLoss', 'testLoss', 'testAccuracy', 'seconds'],
  diagnostics: ['step'],
  histograms: ['step', 'epoch'],
  renewal: ['step'],
} as const;

interface ParsedLine {
  /** 1-based, for messages. */
  readonly number: number;
  readonly text: string;
  readonly value: Record<string, unknown>;
}

function parseLines(text: string, file: string): ParsedLine[] {
  const pieces = text.split('\n');
  const lines: ParsedLine[] = [];
  for (const [i, piece] of pieces.entries()) {
    // What follows the last newline is nothing, a torn line, or one that lacks only its newline: an object's closing brace
    // comes last, so a piece that parses is whole.
    const isLast = i === pieces.length - 1;
    if (isLast && piece === '') break;
    const value = parseObject(piece);
    if (value !== undefined) lines.push({ number: i + 1, text: piece, value });
    else if (!isLast) {
      throw new FormatError(`'${file}', line ${i + 1} is not a JSON object (damaged); remove that line to go on`);
    }
  }
  return lines;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function readText(file: string, ifMissing?: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (ifMissing !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return ifMissing;
    throw new SubbitError(`cannot read '${file}': ${(error as Error).message}`, { cause: error });
  }
}
