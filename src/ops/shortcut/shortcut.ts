/**
 * The parameter-free shortcut of CIFAR residual networks (He et al. 2016, option A): every stride-th pixel, and zeros for
 * the channels that the wider stage adds after the existing ones. Real tensors, and the i32 streams of deployed networks.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { describe, real, type Shape } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { requireReal } from '../elementwise/elementwise.js';

const shortcutParams = {
  batch: 'i32',
  height: 'i32',
  width: 'i32',
  channels: 'i32',
  outHeight: 'i32',
  outWidth: 'i32',
  outChannels: 'i32',
  stride: 'i32',
} as const;

function shortcutParamsOf(x: Shape, y: Shape, stride: number) {
  const [batch, height, width, channels] = x as [number, number, number, number];
  const [, outHeight, outWidth, outChannels] = y as [number, number, number, number];
  return { batch, height, width, channels, outHeight, outWidth, outChannels, stride };
}

function shortcutShape([batch, height, width]: Shape, stride: number, channels: number): Shape {
  return [batch!, Math.ceil(height! / stride), Math.ceil(width! / stride), channels];
}

export const strideShortcut = defineOp({
  name: 'stride-shortcut',
  inputs: ['x'],
  outputs: ['y'],
  infer([x]: InputTypes, { stride, channels }: { readonly stride: number; readonly channels: number }) {
    if (x!.dtype !== 'f32' && x!.dtype !== 'i32')
      throw new SubbitError(`needs a real tensor or i32, not ${describe(x!)}`);
    if (!(Number.isSafeInteger(stride) && stride >= 1) || !Number.isSafeInteger(channels) || x!.shape.length !== 4)
      throw new SubbitError(`a shortcut of stride ${stride} to ${channels} channels does not fit ${describe(x!)}`);
    if (channels < x!.shape[3]!)
      throw new SubbitError(`a shortcut cannot drop channels (${x!.shape[3]} to ${channels})`);
    return [{ ...x!, shape: shortcutShape(x!.shape, stride, channels) }];
  },
  params: shortcutParams,
  pack: ([x], { stride, channels }) => shortcutParamsOf(x!.shape, shortcutShape(x!.shape, stride, channels), stride),
  reference({ x, y }, p) {
    let out = 0;
    for (let n = 0; n < p.batch; n++)
      for (let oh = 0; oh < p.outHeight; oh++)
        for (let ow = 0; ow < p.outWidth; ow++)
          for (let c = 0; c < p.outChannels; c++) {
            const pixel = (n * p.height + oh * p.stride) * p.width + ow * p.stride;
            y![out++] = c < p.channels ? x![pixel * p.channels + c]! : 0;
          }
  },
});

export const strideShortcutGradient = defineOp({
  name: 'stride-shortcut-gradient',
  inputs: ['dy'],
  outputs: ['dx'],
  infer([dy]: InputTypes, { shape }: { readonly shape: Shape; readonly stride: number }) {
    requireReal(dy!);
    return [real(shape)];
  },
  params: shortcutParams,
  pack: ([dy], { shape, stride }) => shortcutParamsOf(shape, dy!.shape, stride),
  reference({ dy, dx }, p) {
    let out = 0;
    for (let n = 0; n < p.batch; n++)
      for (let h = 0; h < p.height; h++)
        for (let w = 0; w < p.width; w++)
          for (let c = 0; c < p.channels; c++) {
            const isTaken = h % p.stride === 0 && w % p.stride === 0;
            const pixel = (n * p.outHeight + Math.floor(h / p.stride)) * p.outWidth + Math.floor(w / p.stride);
            dx![out++] = isTaken ? dy![pixel * p.outChannels + c]! : 0;
          }
  },
});
