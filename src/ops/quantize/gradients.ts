/**
 * Quantizer of gradients (DoReFa-Net 2.5, eq. 12-14): per sample, with uniform noise before rounding, so that the expected
 * value is the gradient itself.
 *
 *     f(dy) = 2 m [ quantize_k(dy / (2 m) + 1/2 + N(k)) - 1/2 ],   m = max |dy| of the sample,  N(k) = (u - 1/2) / (2^k - 1)
 *
 * On levels, with n = 2^k - 1: q = round(dy * (n / 2) / m + n / 2 + (u - 1/2)), clamped to 0..n; the real number is
 * (m / n) (2 q - n): bipolar with step 1 / n and the per-sample scale m. A sample of zeros has scale 0, so it stays zero.
 *
 * `quantize-backward` is the marker that a layer puts on its output: nothing happens going forward, and the gradient that
 * comes back through it is quantized. u comes from Philox (seed, stream of the layer, step, element).
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { bytesOf, describe, maxLevel, quantized, real, sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { Philox } from '../../util/philox.js';
import { requireReal } from '../elementwise/elementwise.js';
import { roundHalfEven } from './rounding.js';

export interface QuantizeGradientAttributes {
  readonly bits: number;
  readonly seed: number;
  readonly stream: number;
}

/** Below this a sample counts as all zero: n / 2 / m would overflow. */
export const smallestMax = 2 ** -100;

export const quantizeBackward = defineOp({
  name: 'quantize-backward',
  inputs: ['x', 'step'],
  outputs: ['y'],
  isAlias: true,
  infer([x]: InputTypes, _: QuantizeGradientAttributes) {
    requireReal(x!);
    return [x!];
  },
  params: { bytes: 'i32' },
  pack: ([x]) => ({ bytes: bytesOf(x!) }),
  reference({ x, y }) {
    y!.set(x!);
  },
});

export const maxAbsPerSample = defineOp({
  name: 'max-abs-per-sample',
  inputs: ['x'],
  outputs: ['max'],
  infer([x]: InputTypes, _: Record<string, never>) {
    requireReal(x!);
    return [real([x!.shape[0]!])];
  },
  params: { samples: 'i32', elements: 'i32' },
  pack: ([x]) => ({ samples: x!.shape[0]!, elements: sizeOf(x!.shape) / x!.shape[0]! }),
  reference({ x, max }, p) {
    for (let n = 0; n < p.samples; n++) {
      let largest = 0;
      for (let i = 0; i < p.elements; i++) largest = Math.max(largest, Math.abs(x![n * p.elements + i]!));
      max![n] = largest;
    }
  },
});

export const quantizeGradient = defineOp({
  name: 'quantize-gradient',
  inputs: ['dy', 'max', 'step'],
  outputs: ['levels'],
  infer([dy, max]: InputTypes, { bits }: QuantizeGradientAttributes) {
    requireReal(dy!);
    if (max!.shape.join() !== String(dy!.shape[0]))
      throw new SubbitError(`the scales ${describe(max!)} do not fit ${describe(dy!)}`);
    const levels = maxLevel(bits);
    return [quantized(dy!.shape, { kind: 'bipolar', max: levels, step: 1 / levels, scaleAxis: 'first' })];
  },
  params: { samples: 'i32', elements: 'i32', levels: 'i32', seed: 'i32', stream: 'i32' },
  pack: ([dy], { bits, seed, stream }) => ({
    samples: dy!.shape[0]!,
    elements: sizeOf(dy!.shape) / dy!.shape[0]!,
    levels: maxLevel(bits),
    seed: seed | 0,
    stream: stream | 0,
  }),
  reference({ dy, max, step, levels }, p) {
    const noise = new Philox(p.seed, p.stream, step![0]!);
    for (let i = 0; i < p.samples * p.elements; i++) {
      const sample = Math.floor(i / p.elements);
      levels![i] = gradientLevel(dy![i]!, max![sample]!, p.levels, noise.uniform(i) - 0.5);
    }
  },
});

/** The level of one element. `sigma` is the noise, uniform in -1/2 .. 1/2. */
export function gradientLevel(dy: number, max: number, levels: number, sigma: number): number {
  const half = levels / 2;
  const inverse = max > smallestMax ? Math.fround(half / max) : 0;
  const centred = Math.fround(Math.fround(dy * inverse) + half);
  return roundHalfEven(Math.fround(centred + sigma), levels);
}
