/**
 * Average pooling: the mean of the pixels of each window that lie inside of the image. The mean over the whole image is the case of
 * one window.
 */
import { defineOp, type InputTypes, type ParamValues } from '../../core/op.js';
import { real, type Shape } from '../../core/tensor.js';
import { requireReal } from '../elementwise/elementwise.js';
import { type PoolAttributes, poolParams, poolParamsOf, poolShape } from './pool.js';

/** No image is wider. */
const widestWindow = 32768;

/** One window that holds an image of this size. */
export function wholeImage([, height, width]: Shape): PoolAttributes {
  const size = Math.max(height!, width!);
  return { size, stride: size, padTop: 0, padLeft: 0, outHeight: 1, outWidth: 1 };
}

/** Whether the one window of a pool holds the whole image. */
export function isWholeImage([, height, width]: Shape, p: PoolAttributes): boolean {
  return p.outHeight * p.outWidth === 1 && p.size - p.padTop >= height! && p.size - p.padLeft >= width!;
}

/** Whether every window lies inside of the image, so that all hold the same number of pixels. */
export function isInside([, height, width]: Shape, p: PoolAttributes): boolean {
  const last = (out: number): number => (out - 1) * p.stride + p.size;
  return p.padTop + p.padLeft === 0 && last(p.outHeight) <= height! && last(p.outWidth) <= width!;
}

/** Calls `each` for every window with the places of its pixels, in the order of the output. */
function walkWindows(p: ParamValues<typeof poolParams>, each: (out: number, pixels: readonly number[]) => void): void {
  let out = 0;
  for (let n = 0; n < p.batch; n++)
    for (let oh = 0; oh < p.outHeight; oh++)
      for (let ow = 0; ow < p.outWidth; ow++) {
        const [top, left] = [oh * p.stride - p.padTop, ow * p.stride - p.padLeft];
        const pixels: number[] = [];
        for (let h = Math.max(0, top); h < Math.min(p.height, top + p.size); h++)
          for (let w = Math.max(0, left); w < Math.min(p.width, left + p.size); w++)
            pixels.push((n * p.height + h) * p.width + w);
        each(out++, pixels);
      }
}

export const averagePool = defineOp({
  name: 'average-pool',
  inputs: ['x'],
  outputs: ['y'],
  infer([x]: InputTypes, attributes: PoolAttributes) {
    requireReal(x!);
    return [real(poolShape(x!, attributes, widestWindow))];
  },
  params: poolParams,
  pack: ([x], attributes) => poolParamsOf(x!.shape, attributes),
  reference({ x, y }, p) {
    walkWindows(p, (out, pixels) => {
      for (let c = 0; c < p.channels; c++) {
        let sum = 0;
        for (const pixel of pixels) sum += x![pixel * p.channels + c]!;
        y![out * p.channels + c] = sum / pixels.length;
      }
    });
  },
});

/** Each pixel's sum of its windows' shares dy / pixels of the window, in the order of the windows, rounded after each. */
export const averagePoolGradient = defineOp({
  name: 'average-pool-gradient',
  inputs: ['dy'],
  outputs: ['dx'],
  infer([dy]: InputTypes, { height, width }: PoolAttributes & { readonly height: number; readonly width: number }) {
    requireReal(dy!);
    return [real([dy!.shape[0]!, height, width, dy!.shape[3]!])];
  },
  params: poolParams,
  pack: ([dy], attributes) =>
    poolParamsOf([dy!.shape[0]!, attributes.height, attributes.width, dy!.shape[3]!], attributes),
  reference({ dy, dx }, p) {
    dx!.fill(0);
    walkWindows(p, (out, pixels) => {
      for (const pixel of pixels)
        for (let c = 0; c < p.channels; c++) {
          const i = pixel * p.channels + c;
          dx![i] = dx![i]! + Math.fround(dy![out * p.channels + c]! / pixels.length);
        }
    });
  },
});
