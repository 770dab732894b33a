/**
 * Pooling. Max-pool works on real numbers and on levels alike (quantization is monotone: paper 2.8, eq. 15) and keeps the
 * position of each window's first maximum, one byte, for the gradient. Padding never wins.
 */
import { defineOp, type InputTypes, type ParamValues } from '../../core/op.js';
import { describe, real, type Shape, type TensorType, type TypedArray } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { requireReal } from '../elementwise/elementwise.js';

export interface PoolAttributes {
  readonly size: number;
  readonly stride: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

export const poolParams = {
  batch: 'i32',
  height: 'i32',
  width: 'i32',
  channels: 'i32',
  outHeight: 'i32',
  outWidth: 'i32',
  size: 'i32',
  stride: 'i32',
  padTop: 'i32',
  padLeft: 'i32',
} as const;

export function poolParamsOf(x: Shape, { size, stride, padTop, padLeft, outHeight, outWidth }: PoolAttributes) {
  const [batch, height, width, channels] = x as [number, number, number, number];
  return { batch, height, width, channels, outHeight, outWidth, size, stride, padTop, padLeft };
}

/** The output's shape. Throws when the window does not fit, or is wider than `widest`. */
export function poolShape(
  x: TensorType,
  { size, stride, padTop, padLeft, outHeight, outWidth }: PoolAttributes,
  // The index of a window's maximum is one byte.
  widest = 15,
): Shape {
  if (x.shape.length !== 4) throw new SubbitError(`needs an NHWC image, not ${describe(x)}`);
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  if (!(Number.isInteger(size) && size >= 1 && size <= widest))
    throw new SubbitError(`the window must be 1 to ${widest} wide, not ${size}`);
  if (!(Number.isSafeInteger(stride) && stride >= 1))
    throw new SubbitError(`stride must be a positive integer, not ${stride}`);
  const fits = (out: number, pad: number, extent: number): boolean =>
    Number.isSafeInteger(out) &&
    Number.isSafeInteger(pad) &&
    out >= 1 &&
    pad >= 0 &&
    pad < size &&
    (out - 1) * stride - pad < extent;
  if (!fits(outHeight, padTop, height) || !fits(outWidth, padLeft, width)) {
    throw new SubbitError(`a ${size}x${size} window with stride ${stride} does not fit a ${height}x${width} image`);
  }
  return [batch, outHeight, outWidth, channels];
}

export const maxPool = defineOp({
  name: 'max-pool',
  inputs: ['x'],
  outputs: ['y', 'index'],
  infer([x]: InputTypes, attributes: PoolAttributes) {
    if (x!.dtype === 'i32') throw new SubbitError(`needs real numbers or levels, not ${describe(x!)}`);
    const shape = poolShape(x!, attributes);
    return [
      { ...x!, shape },
      { dtype: 'u8', shape },
    ];
  },
  params: { ...poolParams, isReal: 'i32' },
  pack: ([x], attributes) => ({ ...poolParamsOf(x!.shape, attributes), isReal: x!.dtype === 'f32' ? 1 : 0 }),
  reference({ x, y, index }, p) {
    maxPoolWindows(p, x!, (out, best, at) => {
      y![out] = best;
      index![out] = at;
    });
  },
});

/** The maximum of each window and the position of its first occurrence, in the order of the output. */
export function maxPoolWindows(
  p: ParamValues<typeof poolParams>,
  x: TypedArray,
  store: (out: number, best: number, at: number) => void,
): void {
  let out = 0;
  for (let n = 0; n < p.batch; n++)
    for (let oh = 0; oh < p.outHeight; oh++)
      for (let ow = 0; ow < p.outWidth; ow++)
        for (let c = 0; c < p.channels; c++) {
          let best = 0;
          let at = -1;
          for (let i = 0; i < p.size; i++) {
            const h = oh * p.stride + i - p.padTop;
            if (h < 0 || h >= p.height) continue;
            for (let j = 0; j < p.size; j++) {
              const w = ow * p.stride + j - p.padLeft;
              if (w < 0 || w >= p.width) continue;
              const v = x[((n * p.height + h) * p.width + w) * p.channels + c]!;
              if (at < 0 || v > best) {
                best = v;
                at = i * p.size + j;
              }
            }
          }
          store(out++, best, at);
        }
}

export const maxPoolGradient = defineOp({
  name: 'max-pool-gradient',
  inputs: ['dy', 'index'],
  outputs: ['dx'],
  infer([dy]: InputTypes, { height, width }: PoolAttributes & { readonly height: number; readonly width: number }) {
    requireReal(dy!);
    return [real([dy!.shape[0]!, height, width, dy!.shape[3]!])];
  },
  params: poolParams,
  pack: ([dy], attributes) =>
    poolParamsOf([dy!.shape[0]!, attributes.height, attributes.width, dy!.shape[3]!], attributes),
  reference({ dy, index, dx }, p) {
    dx!.fill(0);
    let out = 0;
    for (let n = 0; n < p.batch; n++)
      for (let oh = 0; oh < p.outHeight; oh++)
        for (let ow = 0; ow < p.outWidth; ow++)
          for (let c = 0; c < p.channels; c++) {
            const h = oh * p.stride + Math.floor(index![out]! / p.size) - p.padTop;
            const w = ow * p.stride + (index![out]! % p.size) - p.padLeft;
            const at = ((n * p.height + h) * p.width + w) * p.channels + c;
            dx![at] = dx![at]! + dy![out++]!;
          }
  },
});
