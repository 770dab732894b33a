/**
 * One optimizer step on one parameter, in place. `decay` is the L2 coefficient, added to the gradient, or of a decoupled decay
 * (AdamW), which shrinks the parameter itself. The learning rate and the step number come in tensors because they change from step
 * to step while the plan stays.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { sizeOf } from '../../core/tensor.js';
import { requireSameShape } from '../elementwise/elementwise.js';

export interface SgdAttributes {
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly decay: number;
}

/** v = momentum v + g;  p -= lr (nesterov ? g + momentum v : v)   (as PyTorch) */
export const sgdStep = defineOp({
  name: 'sgd-step',
  inputs: ['parameter', 'velocity', 'gradient', 'learningRate'],
  outputs: [],
  mutates: ['parameter', 'velocity'],
  infer([parameter, velocity, gradient]: InputTypes, _: SgdAttributes) {
    requireSameShape([parameter, velocity, gradient]);
    return [];
  },
  params: { count: 'i32', momentum: 'f32', nesterov: 'i32', decay: 'f32' },
  pack: ([parameter], { momentum, nesterov, decay }) => ({
    count: sizeOf(parameter!.shape),
    momentum: Math.fround(momentum),
    nesterov: nesterov ? 1 : 0,
    decay: Math.fround(decay),
  }),
  reference({ parameter, velocity, gradient, learningRate }, p) {
    for (let i = 0; i < p.count; i++) {
      const g = Math.fround(gradient![i]! + Math.fround(p.decay * parameter![i]!));
      const v = Math.fround(Math.fround(p.momentum * velocity![i]!) + g);
      const direction = p.nesterov ? Math.fround(g + Math.fround(p.momentum * v)) : v;
      velocity![i] = v;
      parameter![i] = parameter![i]! - Math.fround(learningRate![0]! * direction);
    }
  },
});

export interface AdamAttributes {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly decay: number;
  readonly isDecoupled: boolean;
}

/**
 * Adam (Kingma and Ba 2015): p = kept p - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon), t = step + 1.
 * kept is 1 - lr decay where the decay is decoupled (AdamW: Loshchilov and Hutter 2019, as PyTorch has it), else 1. The corrections are powers of small integers' exponents, taken in double by repeated squaring on every backend.
 */
export const adamStep = defineOp({
  name: 'adam-step',
  inputs: ['parameter', 'first', 'second', 'gradient', 'learningRate', 'step'],
  outputs: [],
  mutates: ['parameter', 'first', 'second'],
  infer([parameter, first, second, gradient]: InputTypes, _: AdamAttributes) {
    requireSameShape([parameter, first, second, gradient]);
    return [];
  },
  params: { count: 'i32', beta1: 'f32', beta2: 'f32', epsilon: 'f32', decay: 'f32', shrinkage: 'f32' },
  pack: ([parameter], { beta1, beta2, epsilon, decay, isDecoupled }) => ({
    count: sizeOf(parameter!.shape),
    beta1: Math.fround(beta1),
    beta2: Math.fround(beta2),
    epsilon: Math.fround(epsilon),
    decay: isDecoupled ? 0 : Math.fround(decay),
    shrinkage: isDecoupled ? Math.fround(decay) : 0,
  }),
  reference({ parameter, first, second, gradient, learningRate, step }, p) {
    const rate = Math.fround(learningRate![0]! / (1 - power(p.beta1, step![0]! + 1)));
    const correction = Math.fround(1 / Math.sqrt(1 - power(p.beta2, step![0]! + 1)));
    const kept = Math.fround(1 - learningRate![0]! * p.shrinkage);
    const added1 = Math.fround(1 - p.beta1);
    const added2 = Math.fround(1 - p.beta2);
    for (let i = 0; i < p.count; i++) {
      const g = Math.fround(gradient![i]! + Math.fround(p.decay * parameter![i]!));
      const m = Math.fround(Math.fround(p.beta1 * first![i]!) + Math.fround(added1 * g));
      const v = Math.fround(Math.fround(p.beta2 * second![i]!) + Math.fround(Math.fround(added2 * g) * g));
      const denominator = Math.fround(Math.fround(Math.fround(Math.sqrt(v)) * correction) + p.epsilon);
      first![i] = m;
      second![i] = v;
      parameter![i] = Math.fround(kept * parameter![i]!) - Math.fround(Math.fround(rate * m) / denominator);
    }
  },
});

/** base^exponent for a non-negative integer exponent, by repeated squaring: the same double on every backend. */
function power(base: number, exponent: number): number {
  let result = 1;
  let square = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}
