/**
 * Softmax and cross-entropy of class labels, or of `targets`, distributions over the classes (distillation: a teacher's probabilities), per
 * sample. The loss that is differentiated is the mean of `losses` over the batch. A label of -1 marks a sample that does not count (the
 * filling of a last, incomplete batch): its loss is 0.
 *
 *     loss = log sum_k e^z_k - sum_k t_k z_k        dz = softmax(z) - t        t sums to one, of a label it is one-hot
 *
 * Label smoothing s (Szegedy et al. 2016, as PyTorch has it) mixes every target with the uniform distribution over K classes:
 *
 *     t_k becomes kept t_k + added        kept = 1 - s        added = s / K
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, real, sizeOf, type TypedArray } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { channelsOf, requireReal } from '../elementwise/elementwise.js';

export interface SoftmaxAttributes {
  /** Share of the uniform distribution in the targets, 0 <= smoothing < 1. @default 0 */
  readonly smoothing?: number;
}

const params = { batch: 'i32', classes: 'i32', kept: 'f32', added: 'f32' } as const;

function paramsOf([batch, classes]: readonly number[], { smoothing = 0 }: SoftmaxAttributes) {
  const shares = { kept: Math.fround(1 - smoothing), added: Math.fround(smoothing / classes!) };
  return { batch: batch!, classes: classes!, ...shares };
}

export const softmaxCrossEntropy = defineOp({
  name: 'softmax-cross-entropy',
  inputs: ['logits', 'labels', 'targets?'],
  outputs: ['losses', 'probabilities', 'predictions'],
  infer([logits, labels, targets]: InputTypes, { smoothing = 0 }: SoftmaxAttributes) {
    requireReal(logits!);
    if (!(smoothing >= 0 && smoothing < 1))
      throw new SubbitError(`label smoothing must be at least 0 and below 1, not ${smoothing}`);
    const batch = logits!.shape[0]!;
    if (sizeOf(logits!.shape) !== batch * channelsOf(logits!.shape)) {
      throw new SubbitError(`needs one row of logits per sample, not ${describe(logits!)}; pool or flatten first`);
    }
    if (labels!.dtype !== 'i32' || sizeOf(labels!.shape) !== batch) {
      throw new SubbitError(`needs one i32 label per sample (${batch}), not ${describe(labels!)}`);
    }
    if (targets && (targets.dtype !== 'f32' || sizeOf(targets.shape) !== sizeOf(logits!.shape))) {
      throw new SubbitError(`needs a target for each of the logits ${describe(logits!)}, not ${describe(targets)}`);
    }
    return [real([batch]), real([batch, channelsOf(logits!.shape)]), { dtype: 'i32', shape: [batch] }];
  },
  params,
  pack: ([logits], attributes) => paramsOf([logits!.shape[0]!, channelsOf(logits!.shape)], attributes),
  reference({ logits, labels, targets, losses, probabilities, predictions }, p) {
    for (let n = 0; n < p.batch; n++) {
      const row = n * p.classes;
      let best = 0;
      for (let k = 1; k < p.classes; k++) if (logits![row + k]! > logits![row + best]!) best = k;
      const max = logits![row + best]!;
      let sum = 0;
      for (let k = 0; k < p.classes; k++) sum += Math.exp(logits![row + k]! - max);
      for (let k = 0; k < p.classes; k++) probabilities![row + k] = Math.exp(logits![row + k]! - max) / sum;
      const label = labels![n]!;
      const logit = targets ? expected(logits!, targets, row, p.classes, max) : logits![row + label]! - max;
      losses![n] = label < 0 ? 0 : Math.log(sum) - smoothed(logit, logits!, row, p, max);
      predictions![n] = best;
    }
  },
});

/** sum_k t_k (z_k - max) */
function expected(logits: TypedArray, targets: TypedArray, row: number, classes: number, max: number): number {
  let sum = 0;
  for (let k = 0; k < classes; k++) sum += targets[row + k]! * (logits[row + k]! - max);
  return sum;
}

/** With the uniform distribution's part of z_k - max; without one, infinite logits of other classes do not matter. */
function smoothed(
  logit: number,
  logits: TypedArray,
  row: number,
  p: { readonly classes: number; readonly kept: number; readonly added: number },
  max: number,
): number {
  if (p.added === 0) return logit;
  let sum = 0;
  for (let k = 0; k < p.classes; k++) sum += logits[row + k]! - max;
  return p.kept * logit + p.added * sum;
}

/** dLogits = (probability - target) * dLoss, 0 for samples without a label; the target of a label is [k = label]. */
export const softmaxCrossEntropyGradient = defineOp({
  name: 'softmax-cross-entropy-gradient',
  inputs: ['probabilities', 'labels', 'dLosses', 'targets?'],
  outputs: ['dLogits'],
  infer: ([probabilities]: InputTypes, _: SoftmaxAttributes) => [probabilities!],
  params,
  pack: ([probabilities], attributes) => paramsOf(probabilities!.shape, attributes),
  reference({ probabilities, labels, dLosses, targets, dLogits }, p) {
    for (let n = 0; n < p.batch; n++)
      for (let k = 0; k < p.classes; k++) {
        const i = n * p.classes + k;
        const target = Math.fround(p.kept * (targets ? targets[i]! : Number(labels![n] === k)));
        const difference = Math.fround(probabilities![i]! - Math.fround(target + p.added));
        dLogits![i] = labels![n]! < 0 ? 0 : difference * dLosses![n]!;
      }
  },
});
