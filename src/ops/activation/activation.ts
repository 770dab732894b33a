/**
 * Activation functions h. The bounded ones map to 0..1, as the quantizer of activations needs (DoReFa-Net 2.4); both the
 * clip of the authors' later code and the clipped absolute value of their SVHN experiments are here.
 *
 *     relu   max(x, 0)            slope 1 where x > 0
 *     clip   min(max(x, 0), 1)    slope 1 where 0 < x < 1
 *     cabs   min(|x|, 1)          slope sign(x) where |x| < 1
 *     approx-sign   (F(x) + 1) / 2   slope 1 - |x| where |x| < 1
 *
 * F is the approximate sign of Bi-Real Net (papers 3.2): 2x + x^2 in -1..0, 2x - x^2 in 0..1, -1 and 1 outside, F' = 2 - 2|x|. Brought
 * to 0..1 it is halved, and so is its slope. It is above 1/2 for every x above 0, also where floats cannot tell 1/2 + x from
 * 1/2: one bit of it is the sign.
 *
 * NaN stays NaN, so that a training that goes wrong shows it.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { sizeOf } from '../../core/tensor.js';
import { requireReal, requireSameShape } from '../elementwise/elementwise.js';

/** The numbers are the kernels' codes. */
export const activationKinds = { relu: 0, clip: 1, cabs: 2, 'approx-sign': 3 } as const;
export type ActivationKind = keyof typeof activationKinds;

export interface ActivationAttributes {
  readonly kind: ActivationKind;
}

/** The float after 1/2. */
const aboveHalf = 0.5 + 2 ** -24;

function approximateSign(x: number): number {
  const size = Math.abs(x);
  if (size >= 1) return x > 0 ? 1 : 0;
  const half = Math.fround(size - Math.fround(size * size) / 2);
  return x > 0 ? Math.max(Math.fround(0.5 + half), aboveHalf) : Math.fround(0.5 - half);
}

export const activate = defineOp({
  name: 'activate',
  inputs: ['x'],
  outputs: ['y'],
  infer([x]: InputTypes, _: ActivationAttributes) {
    requireReal(x!);
    return [x!];
  },
  params: { count: 'i32', kind: 'i32' },
  pack: ([x], { kind }) => ({ count: sizeOf(x!.shape), kind: activationKinds[kind] }),
  reference({ x, y }, p) {
    for (let i = 0; i < p.count; i++) {
      const v = x![i]!;
      if (p.kind === activationKinds.relu) y![i] = v < 0 ? 0 : v;
      else if (p.kind === activationKinds.clip) y![i] = v < 0 ? 0 : Math.min(v, 1);
      else if (p.kind === activationKinds.cabs) y![i] = Math.min(Math.abs(v), 1);
      else y![i] = approximateSign(v);
    }
  },
});

export const activateGradient = defineOp({
  name: 'activate-gradient',
  inputs: ['x', 'dy'],
  outputs: ['dx'],
  infer(types: InputTypes, _: ActivationAttributes) {
    requireSameShape(types);
    return [types[0]!];
  },
  params: { count: 'i32', kind: 'i32' },
  pack: ([x], { kind }) => ({ count: sizeOf(x!.shape), kind: activationKinds[kind] }),
  reference({ x, dy, dx }, p) {
    for (let i = 0; i < p.count; i++) {
      const v = x![i]!;
      if (p.kind === activationKinds.relu) dx![i] = v > 0 ? dy![i]! : 0;
      else if (p.kind === activationKinds.clip) dx![i] = v > 0 && v < 1 ? dy![i]! : 0;
      else if (p.kind === activationKinds.cabs) dx![i] = Math.abs(v) < 1 ? (v > 0 ? 1 : v < 0 ? -1 : 0) * dy![i]! : 0;
      else dx![i] = Math.abs(v) < 1 ? Math.fround(1 - Math.abs(v)) * dy![i]! : 0;
    }
  },
});
