/**
 * Quantizer of activations (DoReFa-Net 2.4) and the way back from any quantized tensor to real numbers.
 *
 * `quantize-unit` takes real numbers in 0..1, as a bounded activation leaves them, to the levels round((2^k - 1) x); its
 * gradient is the identity (papers eq. 5-6; no mask: the caller's h has one). Values outside are clamped.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import {
  decode,
  describe,
  type Encoding,
  maxLevel,
  operandOf,
  quantized,
  real,
  sizeOf,
  stepOf,
} from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { channelsOf, requireReal } from '../elementwise/elementwise.js';
import { roundHalfEven } from './rounding.js';

export const quantizeUnit = defineOp({
  name: 'quantize-unit',
  inputs: ['x'],
  outputs: ['levels'],
  infer([x]: InputTypes, { bits }: { readonly bits: number }) {
    requireReal(x!);
    return [quantized(x!.shape, { kind: 'levels', max: maxLevel(bits), step: 1 / maxLevel(bits) })];
  },
  params: { count: 'i32', levels: 'i32' },
  pack: ([x], { bits }) => ({ count: sizeOf(x!.shape), levels: maxLevel(bits) }),
  reference({ x, levels }, p) {
    for (let i = 0; i < p.count; i++) levels![i] = roundHalfEven(Math.fround(x![i]! * p.levels), p.levels);
  },
});

export const dequantize = defineOp({
  name: 'dequantize',
  inputs: ['x', 'scale?'],
  outputs: ['y'],
  /** `scaleAxis`: along which axis the scale varies. @default as x's encoding says */
  infer([x]: InputTypes, _: { readonly scaleAxis?: Encoding['scaleAxis'] }) {
    if (x!.encoding === undefined) throw new SubbitError(`needs a quantized tensor, not ${describe(x!)}`);
    return [real(x!.shape)];
  },
  params: {
    count: 'i32',
    channels: 'i32',
    x: 'operand',
    /** 1, 2 or 4 */
    xBytes: 'i32',
    factor: 'f32',
    /** Element i takes scale[floor(i / scaleStride) % scaleCount]. */
    scaleCount: 'i32',
    scaleStride: 'i32',
  },
  pack([x, scale], { scaleAxis = x!.encoding!.scaleAxis }) {
    const count = sizeOf(x!.shape);
    const scaleCount = scale === undefined ? 0 : sizeOf(scale.shape);
    const scaleStride = scaleAxis === 'last' ? 1 : count / Math.max(1, scaleCount);
    const channels = channelsOf(x!.shape);
    const xBytes = { u8: 1, i16: 2, i32: 4, f32: 4 }[x!.dtype];
    return { count, channels, x: operandOf(x!), xBytes, factor: Math.fround(stepOf(x!)), scaleCount, scaleStride };
  },
  reference({ x, scale, y }, p) {
    for (let i = 0; i < p.count; i++) {
      const index = p.scaleCount === 0 ? 0 : Math.floor(i / p.scaleStride) % p.scaleCount;
      const factor = p.scaleCount === 0 ? p.factor : Math.fround(p.factor * scale![index]!);
      y![i] = Math.fround(decode(p.x, x![i]!, i % p.channels)) * factor;
    }
  },
});
