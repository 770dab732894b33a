/** Label smoothing against PyTorch's cross_entropy(label_smoothing=0.1). */
import { expect, test } from 'vitest';
import { evaluate } from '../../core/op-case.js';
import { real, type TypedArray } from '../../core/tensor.js';
import { softmaxCrossEntropy, softmaxCrossEntropyGradient } from './softmax.js';

const logits = Float32Array.of(2, -1, 0.5, 0.25, 0, 3, -2, 1);
const labels = Int32Array.of(0, 3);
const targets = Float32Array.of(0.5, 0.25, 0.125, 0.125, 0, 0.25, 0.25, 0.5);
const smoothing = 0.1;
const row = real([2, 4]);
const labelType = { dtype: 'i32', shape: [2] } as const;

/** Losses, and gradients of their mean. */
function smoothed(given: TypedArray | undefined): { losses: TypedArray; dLogits: TypedArray } {
  const targetType = given && row;
  const { losses, probabilities } = evaluate(softmaxCrossEntropy, [row, labelType, targetType], { smoothing }, [
    ...[logits, labels],
    given,
  ]);
  const dLosses = Float32Array.of(0.5, 0.5);
  const { dLogits } = evaluate(softmaxCrossEntropyGradient, [row, labelType, real([2]), targetType], { smoothing }, [
    probabilities,
    labels,
    dLosses,
    given,
  ]);
  return { losses: losses!, dLogits: dLogits! };
}

test.each([
  {
    name: 'labels',
    given: undefined,
    losses: [0.5255291, 2.2255154],
    gradients: [-0.1168838, 0.0047072, 0.0646174, 0.0475591, 0.0083863, 0.4070122, -0.0096733, -0.4057252],
  },
  {
    name: 'targets',
    given: targets,
    losses: [1.5661542, 2.4505153],
    gradients: [0.1081162, -0.1077928, 0.0083674, -0.0086909, 0.0083863, 0.2945122, -0.1221733, -0.1807252],
  },
])('of $name', ({ given, losses, gradients }) => {
  const found = smoothed(given);
  for (const [i, loss] of losses.entries()) expect(found.losses[i]).toBeCloseTo(loss, 6);
  for (const [i, gradient] of gradients.entries()) expect(found.dLogits[i]).toBeCloseTo(gradient, 6);
});

test.each([-0.1, 1, Number.NaN])('a share of %s is refused', (share) => {
  expect(() => softmaxCrossEntropy.infer([row, labelType], { smoothing: share })).toThrow(
    `label smoothing must be at least 0 and below 1, not ${share}`,
  );
});
