/**
 * The plain integer convolution: one invocation for each output. It serves what no kernel family takes, above all depthwise filters, where
 * nothing is shared between outputs but the image, and neighbouring invocations read neighbouring channels.
 */
import { defineWgsl } from '../../core/wgsl.js';
import { integerConv2d } from './integer-conv2d.js';

export const integerConv2dWgsl = [
  defineWgsl(integerConv2d, ({ params: { batch, outHeight, outWidth, outChannels }, types: { signs } }) => [
    {
      count: batch * outHeight * outWidth * outChannels,
      code: `
fn run(i: u32) {
  let k = i32(i) % p.outChannels;
  let pixel = i32(i) / p.outChannels;
  let column = pixel % p.outWidth * p.stride - p.padLeft;
  let row = pixel / p.outWidth % p.outHeight * p.stride - p.padTop;
  let n = pixel / (p.outWidth * p.outHeight);
  let group_inputs = p.inChannels / p.groups;
  let first = k / (p.outChannels / p.groups) * group_inputs;
  var sum = 0;
  for (var kh = 0; kh < p.kernelHeight; kh++) {
    let h = row + kh * p.dilation;
    if (h < 0 || h >= p.height) { continue; }
    for (var kw = 0; kw < p.kernelWidth; kw++) {
      let w = column + kw * p.dilation;
      if (w < 0 || w >= p.width) { continue; }
      let at = ((n * p.height + h) * p.width + w) * p.inChannels + first;
      let weight = (kh * p.kernelWidth + kw) * group_inputs * p.outChannels + k;
      for (var c = 0; c < group_inputs; c++) {
        sum += integer_x(u32(at + c), u32(first + c)) * integer_filter(u32(weight + c * p.outChannels), u32(k));
      }
    }
  }
  set_y(i, ${signs === undefined ? 'sum' : 'select(sum, -sum, get_signs(u32(k)) == 0u)'});
}`,
    },
  ]),
];
