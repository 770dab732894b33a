/**
 * Activation functions h. The bounded ones map to 0..1, as the quantizer of activations needs (DoReFa-Net 2.4); both the
 * clip of the authors' later code and the clipped absolute value of their SVHN experiments are here.
 *
 *     relu   max(x, 0)            slope 1 where x > 0
 *     clip   min(max(x, 0), 1)    slope 1 where 0 < x < 1
 *     cabs   min(|x|, 1)          slope sign(x) where |x| < 1
 *
 * What stands for the sign in the gradient, brought to 0..1: (F(x) + 1) / 2, with the slope F'(x) / 2
 *
 *     clip-sign     F = min(max(x, -1), 1)                F' = 1 where |x| <= 1 (BNN; papers 1.2, 3.1)
 *     approx-sign   F = 2x + x^2, 2x - x^2 for x < 0, > 0, -1 and 1 outside of -1..1      F' = 2 - 2|x| (Bi-Real Net; papers 3.2)
 *     swish-sign    F = t + z (1 - t^2) / 2               F' = b (2 - z t) (1 - t^2) / 2,   z = b x, t = tanh(z / 2), b = 5
 *
 * The last one is the SwishSign of BNN+ (Darabi et al. 2018, 2 s (1 + z (1 - s)) - 1 with the sigmoid s = (1 + t) / 2), which passes 1
 * before it comes back to it: (F + 1) / 2 is clamped to 0..1, and the slope is that of F all the same, negative where |z| > 2.4.
 * Each is above 1/2 for every x above 0 and for no other, also where floats cannot tell 1/2 + x from 1/2: one bit of it is the sign.
 *
 * NaN stays NaN, so that a training that goes wrong shows it.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { sizeOf } from '../../core/tensor.js';
import { requireReal, requireSameShape } from '../elementwise/elementwise.js';

/** The numbers are the kernels' codes. */
export const activationKinds = {
  relu: 0,
  clip: 1,
  cabs: 2,
  'approx-sign': 3,
  'clip-sign': 4,
  'swish-sign': 5,
} as const;
export type ActivationKind = keyof typeof activationKinds;
/** Those that stand for the sign. */
export type SignKind = Extract<ActivationKind, `${string}-sign`>;

export interface ActivationAttributes {
  readonly kind: ActivationKind;
}

/** The float after 1/2. */
const aboveHalf = 0.5 + 2 ** -24;

/** (F(x) + 1) / 2 from half of F(|x|): F is odd. */
function beyondHalf(x: number, half: number): number {
  return x > 0 ? Math.max(Math.fround(0.5 + half), aboveHalf) : Math.fround(0.5 - half);
}

function approximateSign(x: number): number {
  const size = Math.abs(x);
  if (size >= 1) return x > 0 ? 1 : 0;
  return beyondHalf(x, Math.fround(size - Math.fround(size * size) / 2));
}

const swishFactor = 5;
/** Beyond this z, t is 1 in double. */
const largestZ = 40;

/** z and t of the size of x. */
function swishOf(x: number): { readonly z: number; readonly t: number } {
  const z = Math.min(swishFactor * Math.abs(x), largestZ);
  return { z, t: Math.tanh(z / 2) };
}

function swishSign(x: number): number {
  const { z, t } = swishOf(x);
  const half = (t + (z * (1 - t * t)) / 2) / 2;
  return beyondHalf(x, Math.fround(Math.min(half, 0.5)));
}

/** h(x) */
function activated(x: number, kind: number): number {
  switch (kind) {
    case activationKinds.relu:
      return x < 0 ? 0 : x;
    case activationKinds.clip:
      return x < 0 ? 0 : Math.min(x, 1);
    case activationKinds.cabs:
      return Math.min(Math.abs(x), 1);
    case activationKinds['clip-sign']:
      return beyondHalf(x, Math.min(Math.abs(x), 1) / 2);
    case activationKinds['swish-sign']:
      return swishSign(x);
    default:
      return approximateSign(x);
  }
}

/** h'(x) */
export function slopeAt(x: number, kind: number): number {
  switch (kind) {
    case activationKinds.relu:
      return x > 0 ? 1 : 0;
    case activationKinds.clip:
      return x > 0 && x < 1 ? 1 : 0;
    case activationKinds.cabs:
      return Math.abs(x) < 1 ? (x > 0 ? 1 : x < 0 ? -1 : 0) : 0;
    case activationKinds['clip-sign']:
      return Math.abs(x) <= 1 ? 0.5 : 0;
    case activationKinds['swish-sign']: {
      const { z, t } = swishOf(x);
      return Math.fround((swishFactor / 4) * (2 - z * t) * (1 - t * t));
    }
    default:
      return Math.abs(x) < 1 ? Math.fround(1 - Math.abs(x)) : 0;
  }
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
    for (let i = 0; i < p.count; i++) y![i] = activated(x![i]!, p.kind);
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
      const slope = slopeAt(x![i]!, p.kind);
      dx![i] = slope === 0 ? 0 : slope * dy![i]!;
    }
  },
});
