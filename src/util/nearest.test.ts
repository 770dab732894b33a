import { describe, expect, test } from 'vitest';
import { UsageError } from './errors.js';
import { lookUp, nearest } from './nearest.js';

describe('nearest', () => {
  const names = ['mnist', 'fashion-mnist', 'cifar10', 'digits'];

  test.each([
    ['mnsit', 'mnist'],
    ['MNIST', 'mnist'],
    ['cifar-10', 'cifar10'],
    ['digit', 'digits'],
    ['fashionmnist', 'fashion-mnist'],
  ])('%s means %s', (typed, meant) => expect(nearest(typed, names)).toBe(meant));

  test('nothing when no name is near, or there is none', () => {
    expect(nearest('imagenet', names)).toBeUndefined();
    expect(nearest('mnist', [])).toBeUndefined();
  });

  test('the first of equally near names', () => {
    expect(nearest('conv3', ['conv1', 'conv2'])).toBe('conv1');
  });

  test('short names get help, too', () => {
    expect(nearest('fc', ['fc1', 'conv0'])).toBe('fc1');
  });
});

describe('lookUp', () => {
  const table = { sgd: 1, adam: 2 };

  test('gives the entry', () => expect(lookUp(table, 'adam', 'optimizer')).toBe(2));

  test('names the kind, the nearest name and all names', () => {
    expect(() => lookUp(table, 'adan', 'optimizer')).toThrow(UsageError);
    expect(() => lookUp(table, 'adan', 'optimizer')).toThrow(
      "unknown optimizer 'adan'; did you mean 'adam'? (known: sgd, adam)",
    );
    expect(() => lookUp(table, 'lamb-shift', 'optimizer')).toThrow("unknown optimizer 'lamb-shift' (known: sgd, adam)");
  });

  test('finds no entry that every object has', () => {
    for (const name of ['toString', '__proto__', 'constructor'])
      expect(() => lookUp(table, name, 'optimizer')).toThrow(UsageError);
  });
});
