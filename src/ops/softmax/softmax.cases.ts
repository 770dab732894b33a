import {
  type CaseRun,
  input,
  integers,
  normal,
  type OpCase,
  opCase,
  type Parity,
  realInput,
  startingWith,
  uniform,
  values,
} from '../../core/op-case.js';
import { type SoftmaxAttributes, softmaxCrossEntropy, softmaxCrossEntropyGradient } from './softmax.js';

/** Whether a sample's target is more than one class. */
const isMixed = ({ inputs, attributes }: CaseRun): boolean =>
  inputs[2] !== undefined || (attributes as SoftmaxAttributes).smoothing !== undefined;

/**
 * With z = logit - max rounded to float32, exp(z) errs by (|z| + 4) 2^-24 of itself (an exp that is good to two units in the
 * last place), the sum of `classes` of them by (classes + 8 + Z) 2^-24 of itself, where Z is the average of |z| over the
 * classes by probability: at most log(classes) + 1 < classes. The loss is log(sum) - z of the label, each rounded.
 */
function softmaxParity(classes: number): Parity {
  const unit = 2 ** -24;
  const distances = ({ inputs: [logits] }: CaseRun): Float64Array =>
    Float64Array.from(logits!, (logit, i) => {
      const row = Math.floor(i / classes) * classes;
      // Beyond 1000 the exponential is 0 in any case.
      return Math.min(1000, Math.max(...logits!.subarray(row, row + classes)) - logit);
    });
  return {
    probabilities: (run) => {
      const z = distances(run);
      // Below the smallest normal number, a kernel may give 0.
      return Float64Array.from(run.results.probabilities!, (p, i) => p * (z[i]! + 2 * classes + 16) * unit + 2 ** -126);
    },
    losses: (run) => {
      const z = distances(run);
      return Float64Array.from(run.results.losses!, (loss, n) => {
        const label = run.inputs[1]![n]!;
        // Of mixed targets the largest distance is a bound.
        const distance = isMixed(run)
          ? Math.max(...z.subarray(n * classes, (n + 1) * classes))
          : z[n * classes + label]!;
        return label < 0 ? 0 : (2 * classes + 16 + loss + 2 * distance) * unit;
      });
    },
  };
}

const sizes = [
  [1, 1],
  [1, 2],
  [5, 10],
  [5, 17],
  [3, 33],
  [131, 10],
  [2, 1000],
] as const;

/** Class numbers, and the -1 of samples that do not count. */
const labels = (batch: number, classes: number) =>
  input({ dtype: 'i32', shape: [batch] }, startingWith(batch > 2 ? [-1] : [], integers(-1, classes - 1)));

/** Distributions over the classes. */
const targetsInput = (batch: number, classes: number) =>
  realInput([batch, classes], (data, random) => {
    for (let row = 0; row < data.length; row += classes) {
      const shares = Array.from({ length: classes }, () => random.next() ** 4 + 1e-3);
      const sum = shares.reduce((total, share) => total + share);
      data.set(
        shares.map((share) => share / sum),
        row,
      );
    }
  });

export const softmaxCases: readonly OpCase[] = [
  ...sizes.flatMap(([batch, classes]) => [
    opCase(
      softmaxCrossEntropy,
      `[${batch}, ${classes}]`,
      [realInput([batch, 1, 1, classes], normal(3)), labels(batch, classes)],
      {},
      softmaxParity(classes),
    ),
    opCase(
      softmaxCrossEntropyGradient,
      `[${batch}, ${classes}]`,
      [realInput([batch, classes], uniform()), labels(batch, classes), realInput([batch], uniform(0, 0.1))],
      {},
    ),
  ]),
  ...sizes.flatMap(([batch, classes]) => [
    opCase(
      softmaxCrossEntropy,
      `[${batch}, ${classes}], targets`,
      [realInput([batch, 1, 1, classes], normal(3)), labels(batch, classes), targetsInput(batch, classes)],
      {},
      softmaxParity(classes),
    ),
    opCase(
      softmaxCrossEntropyGradient,
      `[${batch}, ${classes}], targets`,
      [
        realInput([batch, classes], uniform()),
        labels(batch, classes),
        realInput([batch], uniform(0, 0.1)),
        targetsInput(batch, classes),
      ],
      {},
    ),
  ]),
  ...[false, true].flatMap((hasTargets) => {
    const name = `smoothing${hasTargets ? ', targets' : ''}`;
    const targets = hasTargets ? [targetsInput(7, 17)] : [];
    return [
      opCase(
        softmaxCrossEntropy,
        name,
        [realInput([7, 1, 1, 17], normal(3)), labels(7, 17), ...targets],
        { smoothing: 0.1 },
        softmaxParity(17),
      ),
      opCase(
        softmaxCrossEntropyGradient,
        name,
        [realInput([7, 17], uniform()), labels(7, 17), realInput([7], uniform(0, 0.1)), ...targets],
        { smoothing: 0.1 },
      ),
    ];
  }),
  opCase(
    softmaxCrossEntropy,
    'far apart',
    [realInput([5, 10], startingWith([1e4, -1e4, 200, 0, -200], normal(60))), labels(5, 10)],
    {},
    softmaxParity(10),
  ),
  // A training that diverges must say so: NaN losses.
  opCase(
    softmaxCrossEntropy,
    'NaN and infinities',
    [
      realInput([3, 5], startingWith([1, Number.NaN, 2, 0, 1, 1, Infinity, 0, 0, 2, 3, -Infinity], normal())),
      labels(3, 5),
    ],
    {},
    softmaxParity(5),
  ),
  // The first of equal logits is the prediction.
  opCase(
    softmaxCrossEntropy,
    'equal logits',
    [realInput([7, 5], values(2, 7, 7, -1, 7, 0, 0)), labels(7, 5)],
    {},
    softmaxParity(5),
  ),
];
