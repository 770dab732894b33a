import { sizeOf } from '../../core/tensor.js';
import { defineWgsl } from '../../core/wgsl.js';
import { strideShortcut, strideShortcutGradient } from './shortcut.js';

export const shortcutWgsl = [
  defineWgsl(strideShortcut, ({ types: { y } }) => [
    {
      count: sizeOf(y!.shape),
      // Real numbers and integers alike are words.
      code: `
fn run(i: u32) {
  let c = i32(i) % p.outChannels;
  let column = i32(i) / p.outChannels;
  let row = column / p.outWidth;
  let h = row % p.outHeight * p.stride;
  let pixel = (row / p.outHeight * p.height + h) * p.width + column % p.outWidth * p.stride;
  if (c < p.channels) { set_word_y(i, word_x(u32(pixel * p.channels + c))); } else { set_word_y(i, 0u); }
}`,
    },
  ]),
];

export const shortcutGradientWgsl = [
  defineWgsl(strideShortcutGradient, ({ types: { dx } }) => [
    {
      count: sizeOf(dx!.shape),
      code: `
fn run(i: u32) {
  let c = i32(i) % p.channels;
  let column = i32(i) / p.channels;
  let row = column / p.width;
  let h = row % p.height;
  let w = column % p.width;
  let pixel = (row / p.height * p.outHeight + h / p.stride) * p.outWidth + w / p.stride;
  var v = 0.0;
  if (h % p.stride == 0 && w % p.stride == 0) { v = get_dy(u32(pixel * p.outChannels + c)); }
  set_dx(i, v);
}`,
    },
  ]),
];
