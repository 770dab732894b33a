/**
 * Quantizers of weights (DoReFa-Net 2.3).
 *
 * One bit (eq. 7): W_b = sign(W) * E with E = mean |W| over the layer, sign(0) = +1. `quantize-sign` gives the levels 0 and
 * 1 (bipolar: -1 and +1), `mean-abs` the scale E. The gradient of W_b is that of W, and nothing goes through E. XNOR-Net's scale per
 * output channel (papers 3.1) is `mean-abs-per-channel`; gradients for the sign: signs.ts.
 *
 * k bits (eq. 9): t = tanh W, m = max |t|, r = t / (2 m) + 1/2, q = round((2^k - 1) r), W_q = 2 q / (2^k - 1) - 1, bipolar
 * with step 1 / (2^k - 1). The gradient is the ordinary chain rule with the rounding as identity; the maximum stays in the
 * graph, as in the authors' code, so the element where |t| is largest receives an extra term.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { maxLevel, quantized, real, sizeOf } from '../../core/tensor.js';
import type { SignKind } from '../activation/activation.js';
import { channelsOf, requireReal, requireSameShape } from '../elementwise/elementwise.js';
import { roundHalfEven } from './rounding.js';

export const meanAbs = defineOp({
  name: 'mean-abs',
  inputs: ['x'],
  outputs: ['mean'],
  infer([x]: InputTypes, _: Record<string, never>) {
    requireReal(x!);
    return [real([1])];
  },
  params: { count: 'i32' },
  pack: ([x]) => ({ count: sizeOf(x!.shape) }),
  reference({ x, mean }, p) {
    let sum = 0;
    for (let i = 0; i < p.count; i++) sum += Math.abs(x![i]!);
    mean![0] = sum / p.count;
  },
});

/** x [.., K] -> mean [K] */
export const meanAbsPerChannel = defineOp({
  name: 'mean-abs-per-channel',
  inputs: ['x'],
  outputs: ['mean'],
  infer([x]: InputTypes, _: Record<string, never>) {
    requireReal(x!);
    return [real([channelsOf(x!.shape)])];
  },
  params: { rows: 'i32', channels: 'i32' },
  pack: ([x]) => {
    const channels = channelsOf(x!.shape);
    return { rows: sizeOf(x!.shape) / channels, channels };
  },
  reference({ x, mean }, p) {
    for (let c = 0; c < p.channels; c++) {
      let sum = 0;
      for (let row = 0; row < p.rows; row++) sum += Math.abs(x![row * p.channels + c]!);
      mean![c] = sum / p.rows;
    }
  },
});

export interface QuantizeSignAttributes {
  /** What the gradient goes through (signs.ts). @default the identity */
  readonly kind?: SignKind;
  /** Along which axis the scale varies; the gradient through a kind counts a scale per channel (XNOR-Net). @default one scale */
  readonly scaleAxis?: 'last';
}

export const quantizeSign = defineOp({
  name: 'quantize-sign',
  inputs: ['x'],
  outputs: ['levels'],
  infer([x]: InputTypes, { scaleAxis }: QuantizeSignAttributes) {
    requireReal(x!);
    return [quantized(x!.shape, { kind: 'bipolar', max: 1, step: 1, ...(scaleAxis && { scaleAxis }) })];
  },
  params: { count: 'i32' },
  pack: ([x]) => ({ count: sizeOf(x!.shape) }),
  reference({ x, levels }, p) {
    for (let i = 0; i < p.count; i++) levels![i] = x![i]! >= 0 ? 1 : 0;
  },
});

/** m = max |tanh x| = tanh(max |x|): the tanh is monotone. */
export const maxAbsTanh = defineOp({
  name: 'max-abs-tanh',
  inputs: ['x'],
  outputs: ['max'],
  infer([x]: InputTypes, _: Record<string, never>) {
    requireReal(x!);
    return [real([1])];
  },
  params: { count: 'i32' },
  pack: ([x]) => ({ count: sizeOf(x!.shape) }),
  reference({ x, max }, p) {
    let largest = 0;
    for (let i = 0; i < p.count; i++) largest = Math.max(largest, Math.abs(x![i]!));
    max![0] = Math.tanh(largest);
  },
});

export const quantizeTanh = defineOp({
  name: 'quantize-tanh',
  inputs: ['x', 'max'],
  outputs: ['levels'],
  infer([x]: InputTypes, { bits }: { readonly bits: number }) {
    requireReal(x!);
    return [quantized(x!.shape, { kind: 'bipolar', max: maxLevel(bits), step: 1 / maxLevel(bits) })];
  },
  params: { count: 'i32', levels: 'i32' },
  pack: ([x], { bits }) => ({ count: sizeOf(x!.shape), levels: maxLevel(bits) }),
  reference({ x, max, levels }, p) {
    // All weights zero gives r = 1/2 everywhere.
    const inverse = max![0]! > 0 ? Math.fround(0.5 / max![0]!) : 0;
    for (let i = 0; i < p.count; i++) {
      const r = Math.fround(Math.fround(Math.fround(Math.tanh(x![i]!)) * inverse) + 0.5);
      levels![i] = roundHalfEven(Math.fround(r * p.levels), p.levels);
    }
  },
});

/**
 * dx = dWq (1 - t^2) / m, and at the element of the largest |t| (the first of equals) additionally
 * -sum_i dWq_i t_i / m^2 * sign(t) (1 - t^2).
 */
export const quantizeTanhGradient = defineOp({
  name: 'quantize-tanh-gradient',
  inputs: ['x', 'max', 'dLevels'],
  outputs: ['dx'],
  infer([x, , dLevels]: InputTypes, _: Record<string, never>) {
    requireSameShape([x, dLevels]);
    return [x!];
  },
  params: { count: 'i32' },
  pack: ([x]) => ({ count: sizeOf(x!.shape) }),
  reference({ x, max, dLevels, dx }, p) {
    const m = max![0]!;
    if (m === 0) {
      dx!.fill(0, 0, p.count);
      return;
    }
    let products = 0;
    let at = 0;
    for (let i = 0; i < p.count; i++) {
      const t = Math.tanh(x![i]!);
      products += dLevels![i]! * t;
      dx![i] = (dLevels![i]! * (1 - t * t)) / m;
      if (Math.abs(x![i]!) > Math.abs(x![at]!)) at = i;
    }
    const t = Math.tanh(x![at]!);
    dx![at] = dx![at]! - (products / (m * m)) * Math.sign(t) * (1 - t * t);
  },
});
