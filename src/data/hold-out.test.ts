import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UsageError } from '../util/errors.js';
import { DamagedRecords } from './damaged-records.js';
import { newImageSet } from './dataset.js';
import { holdOut, splitSet } from './hold-out.js';

test('holds out the share of every class, at least one and never all', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(3), { minLength: 1, maxLength: 80 }),
      fc.integer({ min: 1, max: 9 }),
      (labels, tenths) => {
        const isHeldOut = holdOut(labels, 4, { test: String(tenths / 10) });
        for (let label = 0; label < 4; label++) {
          const count = labels.filter((each) => each === label).length;
          const held = labels.filter((each, i) => each === label && isHeldOut[i]).length;
          if (count < 2) expect(held).toBe(0);
          else expect(held).toBe(Math.min(count - 1, Math.max(1, Math.round((count * tenths) / 10))));
        }
      },
    ),
  );
});

test('by the seed, and not by the other classes', () => {
  const labels = Array.from({ length: 100 }, () => 0);
  const of = (seed: string): number[] => [...holdOut(labels, 1, { seed })];
  expect(of('1')).toEqual([...holdOut(labels, 1)]);
  expect(of('2')).not.toEqual(of('1'));
  expect([...holdOut([...labels, 1, 1, 1], 2)].slice(0, 100)).toEqual(of('1'));
  const wrong: Record<string, string>[] = [
    { test: '0' },
    { test: '1' },
    { test: 'x' },
    { seed: '-1' },
    { seed: '1.5' },
  ];
  for (const choices of wrong) expect(() => holdOut(labels, 1, choices)).toThrow(UsageError);
});

test('splitSet keeps the order and what belongs together', () => {
  const set = newImageSet(5, { height: 1, width: 2, channels: 1 });
  for (let i = 0; i < 5; i++) {
    set.images.fill(10 * i, 2 * i, 2 * i + 2);
    set.labels[i] = i;
  }
  const { train, test: held } = splitSet({ ...set, skipped: 2 }, Uint8Array.of(0, 1, 0, 0, 1));
  expect([...train.images]).toEqual([0, 0, 20, 20, 30, 30]);
  expect([...held.images]).toEqual([10, 10, 40, 40]);
  expect([[...train.labels], [...held.labels]]).toEqual([
    [0, 2, 3],
    [1, 4],
  ]);
  expect(train.skipped).toBe(2);
});

test.each([
  [9, 0],
  [10, 1],
  [30, 3],
  [299, 3],
  [400, 4],
])('of %i records %i damaged ones are left out, one more is an error that names the first', (records, most) => {
  const damaged = new DamagedRecords('some', records, {});
  for (let i = 0; i < most; i++) damaged.add(8 - i, `record ${8 - i} is bad`);
  const set = newImageSet(records, { height: 1, width: 1, channels: 1 });
  for (let i = 0; i < records; i++) set.labels[i] = i;
  expect([...damaged.leaveOut(set).labels].length).toBe(records - most);
  expect(() => damaged.add(9, 'record 9 is bad')).toThrow(`record ${9 - most} is bad`);
});
