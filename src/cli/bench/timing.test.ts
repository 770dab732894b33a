import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { median, timeInterleaved } from './timing.js';

describe('median', () => {
  it('is the middle, or the mean of the two middle ones', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });
});

describe('timeInterleaved', () => {
  function spin(milliseconds: number): void {
    for (const end = performance.now() + milliseconds; performance.now() < end; );
  }

  it('times functions that return and functions that promise, per call', async () => {
    const times = await timeInterleaved(
      { short: () => spin(0.5), long: () => spin(3), promised: () => pause(4) },
      { repetitions: 3, repetitionMilliseconds: 2 },
    );
    expect(times.short.min).toBeGreaterThanOrEqual(0.5);
    expect(times.long.min).toBeGreaterThanOrEqual(3);
    expect(times.promised.min).toBeGreaterThan(2.5);
    for (const { median, min, max } of Object.values(times)) expect(min <= median && median <= max).toBe(true);
  });

  it('lets the functions take turns', async () => {
    const order: string[] = [];
    const rounds: number[] = [];
    const record = (name: string) => () => {
      order.push(name);
      spin(1);
    };
    await timeInterleaved(
      { a: record('a'), b: record('b') },
      { repetitions: 4, repetitionMilliseconds: 1, onRound: (done) => rounds.push(done) },
    );
    expect(rounds).toEqual([1, 2, 3, 4]);
    const turns = order.filter((name, i) => i === 0 || order[i - 1] !== name).join('');
    expect(turns).toBe('ab'.repeat(5));
  });

  it('reports what a function throws', async () => {
    await expect(timeInterleaved({ a: () => Promise.reject(new Error('broken')) })).rejects.toThrow('broken');
  });
});
