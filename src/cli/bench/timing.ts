/**
 * Timing of functions against each other: they take turns within one run, because machines drift (clock, other processes), and
 * medians are compared. A repetition is as many calls as fill a few milliseconds, so that neither the clock's resolution nor
 * one interruption decides; before it come a short pause, in which the one before puts its waiting threads to sleep, and a call
 * that is not timed, which brings its data back into the caches.
 */
import { setTimeout as pause } from 'node:timers/promises';

/** Milliseconds per call. */
export interface Timing {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface TimingOptions {
  /** @default 15 */
  readonly repetitions?: number;
  /** What a repetition lasts at least, in milliseconds. @default 5 */
  readonly repetitionMilliseconds?: number;
  /** Whether a function leaves threads behind that go on spinning for long. @default none does */
  readonly leavesSpinning?: (name: string) => boolean;
  /** Told after each round of repetitions. */
  readonly onRound?: (done: number) => void;
}

/** A function to time; a promise is waited for. */
export type Timed = () => unknown;

/** Longer than our thread pool spins in vain. */
const pauseMilliseconds = 5;
/** The same for ONNX Runtime's and OpenMP's: what came 40 ms after them had one core less. */
const longPauseMilliseconds = 250;

/** Until threads sleep that a function has left behind. */
export function pauseAfter(leavesSpinning: boolean): Promise<void> {
  return pause(leavesSpinning ? longPauseMilliseconds : pauseMilliseconds);
}

export async function timeInterleaved<Name extends string>(
  functions: Readonly<Record<Name, Timed>>,
  options: TimingOptions = {},
): Promise<Record<Name, Timing>> {
  const { repetitions = 15, repetitionMilliseconds = 5, leavesSpinning = () => false, onRound } = options;
  const entries = Object.entries<Timed>(functions) as [Name, Timed][];
  const calls = {} as Record<Name, number>;
  const times = {} as Record<Name, number[]>;
  for (const [name, timed] of entries) {
    calls[name] = await callsToFill(timed, repetitionMilliseconds);
    times[name] = [];
  }
  let before = entries.at(-1)?.[0] ?? '';
  for (let round = 0; round < repetitions; round++) {
    for (const [name, timed] of entries) {
      await pauseAfter(leavesSpinning(before));
      before = name;
      await timed();
      times[name].push(await millisecondsOf(timed, calls[name]));
    }
    onRound?.(round + 1);
  }
  return Object.fromEntries(entries.map(([name]) => [name, summarizeTimes(times[name])])) as Record<Name, Timing>;
}

function summarizeTimes(times: readonly number[]): Timing {
  return { median: median(times), min: Math.min(...times), max: Math.max(...times) };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** In which V8 compiles WebAssembly again, with optimizations, and thread pools start. */
const warmUpMilliseconds = 100;

/** Warms up, and finds the number of calls that lasts at least so long. */
async function callsToFill(timed: Timed, milliseconds: number): Promise<number> {
  await timed();
  const started = performance.now();
  for (let calls = 1; ; calls *= 2) {
    const perCall = await millisecondsOf(timed, calls);
    const isWarm = performance.now() - started >= warmUpMilliseconds;
    if (isWarm && calls * perCall >= milliseconds) return Math.max(1, Math.ceil(milliseconds / perCall));
  }
}

/** Milliseconds per call. */
async function millisecondsOf(timed: Timed, calls: number): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < calls; i++) {
    // Waiting for what is no promise would hand over to the event loop's queue at every call.
    const result = timed();
    if (result instanceof Promise) await result;
  }
  return (performance.now() - started) / calls;
}
