import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { digits } from './digits.js';

test('digits holds the 1,797 images, split 1,437 to 360 within every class', async () => {
  const { train, test: held, classes } = await digits.load('');
  expect(train).toMatchObject({ count: 1437, height: 8, width: 8, channels: 1 });
  expect(held).toMatchObject({ count: 360, height: 8, width: 8, channels: 1 });
  // The class counts of the UCI test half.
  const published = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180];
  for (const [digit, count] of published.entries()) {
    const inTest = held.labels.filter((label) => label === digit).length;
    expect(train.labels.filter((label) => label === digit).length + inTest).toBe(count);
    expect(Math.abs(inTest - count / 5)).toBeLessThan(1);
    expect(classes[digit]).toBe(String(digit));
  }
});

test('digits decodes to the published pixels', async () => {
  const { train, test: held } = await digits.load('');
  const levels = (bytes: Uint8Array): number[] => [...bytes].map((byte) => Math.round((byte * 16) / 255));
  // The first line of the file is a 0, and the first 0 is a test image.
  expect(held.labels[0]).toBe(0);
  expect(levels(held.images.subarray(0, 24))).toEqual([
    0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0,
  ]);
  const sum = levels(train.images)
    .concat(levels(held.images))
    .reduce((total, value) => total + value, 0);
  expect(sum).toBe(561718);
  const hash = createHash('sha256').update(train.images).update(held.images).digest('hex');
  expect(hash.slice(0, 16)).toBe('4c2e1954a97858db');
});
