/** Which means can be deployed: those whose windows hold the same number of pixels. */
import { expect, test } from 'vitest';
import { real } from '../core/tensor.js';
import { averagePool, globalAverage, type PoolOptions } from '../nn/layers/index.js';
import { type Layer, Scope } from '../nn/scope.js';
import { pixelsOfWindows } from './window-sums.js';

function pixelsOf(layer: Layer): number {
  const scope = new Scope({ training: false, seed: 1 });
  return pixelsOfWindows(layer(scope, scope.graph.input('x', real([1, 9, 8, 3]))).node!);
}

test.each<[PoolOptions, number]>([
  [{ size: 3, stride: 2, padding: 'valid' }, 9],
  [{ size: 2, stride: 3, padding: 0 }, 4],
  // One window that holds the image, and no more of it than there is.
  [{ size: 9, stride: 9 }, 72],
])('%j holds %i pixels', (options, pixels) => {
  expect(pixelsOf(averagePool('mean', options))).toBe(pixels);
});

test('the mean over the image holds all of it', () => {
  expect(pixelsOf(globalAverage('mean'))).toBe(72);
});

test.each<PoolOptions>([
  { size: 2 },
  { size: 3, stride: 2 },
  { size: 3, stride: 1, padding: 1 },
])('%j is refused', (options) => {
  expect(() => pixelsOf(averagePool('mean', options))).toThrow(
    "mean: means over windows that hang over the image's edge cannot be deployed; use the padding 'valid'",
  );
});
