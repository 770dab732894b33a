import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { learningRateAt, type ScheduleOptions, scheduleFor, schedules } from './schedules.js';

const run = { totalSteps: 1000, stepsPerEpoch: 10 };
const ratesOf = (options: ScheduleOptions, position = run): number[] =>
  Array.from({ length: position.totalSteps }, (_, step) => learningRateAt(options, { ...position, step }));

test('step changes at the epochs that it is given', () => {
  const options = { name: 'step', learningRate: 1, at: [2, 3], factor: 0.5 } as const;
  const rates = [0, 9, 19, 20, 29, 30, 99].map((step) =>
    learningRateAt(options, { step, totalSteps: 100, stepsPerEpoch: 10 }),
  );
  expect(rates).toEqual([1, 1, 1, 0.5, 0.5, 0.25, 0.25]);
});

describe('constant', () => {
  test('stays', () => {
    expect(new Set(ratesOf({ name: 'constant', learningRate: 0.3 }))).toEqual(new Set([0.3]));
  });
});

describe('step', () => {
  test('changes by the factor every so many epochs', () => {
    const rates = ratesOf({ name: 'step', learningRate: 1, every: 30, factor: 0.5 });
    expect([0, 299, 300, 599, 600, 899, 900, 999].map((step) => rates[step])).toEqual([
      1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125,
    ]);
  });

  test('by default a tenth every epoch', () => {
    const rates = ratesOf({ name: 'step', learningRate: 2 });
    expect(rates[9]).toBe(2);
    expect(rates[10]).toBeCloseTo(0.2, 12);
    expect(rates[25]).toBeCloseTo(0.02, 12);
  });
});

describe('cosine', () => {
  test('falls from the rate to about zero, half of it in the middle', () => {
    const rates = ratesOf({ name: 'cosine', learningRate: 0.4 });
    expect(rates[0]).toBe(0.4);
    expect(rates[500]).toBeCloseTo(0.2, 12);
    expect(rates[999]).toBeGreaterThan(0);
    expect(rates[999]).toBeLessThan(1e-5 * 0.4);
    for (let step = 1; step < 1000; step++) expect(rates[step]).toBeLessThan(rates[step - 1]!);
  });

  test('begins after the warm-up', () => {
    const rates = ratesOf({ name: 'cosine', learningRate: 1, warmupSteps: 200 });
    expect(rates.slice(0, 3)).toEqual([1 / 200, 2 / 200, 3 / 200]);
    expect(rates[199]).toBe(1);
    expect(rates[200]).toBe(1);
    expect(rates[600]).toBeCloseTo(0.5, 12);
    expect(rates[999]).toBeLessThan(1e-5);
  });

  test('of a run that ends within its warm-up', () => {
    expect(ratesOf({ name: 'cosine', learningRate: 1, warmupSteps: 10 }, { totalSteps: 5, stepsPerEpoch: 5 })).toEqual([
      0.1, 0.2, 0.3, 0.4, 0.5,
    ]);
  });
});

test('every schedule warms up linearly', () => {
  for (const name of Object.keys(schedules) as ScheduleOptions['name'][]) {
    const rates = ratesOf({ name, learningRate: 0.8, warmupSteps: 4, every: 100 });
    expect(rates.slice(0, 4)).toEqual([0.2, 0.4, 0.6000000000000001, 0.8]);
  }
});

test('the rate is never negative, never above the given one, and depends on the step alone', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...(Object.keys(schedules) as ScheduleOptions['name'][])),
      fc.integer({ min: 1, max: 500 }),
      fc.nat(600),
      fc.nat(600),
      (name, totalSteps, warmupSteps, step) => {
        const options = { name, learningRate: 0.1, warmupSteps };
        const rate = learningRateAt(options, { step, totalSteps, stepsPerEpoch: 7 });
        expect(rate).toBeGreaterThanOrEqual(0);
        expect(rate).toBeLessThanOrEqual(0.1);
        expect(learningRateAt(options, { step, totalSteps, stepsPerEpoch: 7 })).toBe(rate);
      },
    ),
  );
});

test("a preset's warm-up is at most a tenth of a training", () => {
  const schedule = { name: 'cosine', learningRate: 0.1, warmupSteps: 390 } as const;
  expect(scheduleFor(schedule, 3900)).toEqual(schedule);
  expect(scheduleFor(schedule, 160)).toEqual({ ...schedule, warmupSteps: 16 });
});
