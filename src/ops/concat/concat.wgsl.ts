import { sizeOf } from '../../core/tensor.js';
import { defineWgsl } from '../../core/wgsl.js';
import { eachElement } from '../elements.wgsl.js';
import { concat, concatGradient } from './concat.js';

export const concatWgsl = [
  defineWgsl(concat, ({ types: { y } }) => [
    eachElement(
      'y',
      y!.dtype,
      sizeOf(y!.shape),
      `
fn bits(i: u32) -> u32 {
  let channels = u32(p.channelsA + p.channelsB);
  let row = i / channels;
  let c = i32(i % channels);
  if (c < p.channelsA) { return bitcast<u32>(get_a(row * u32(p.channelsA) + u32(c))); }
  return bitcast<u32>(get_b(row * u32(p.channelsB) + u32(c - p.channelsA)));
}`,
    ),
  ]),
];

export const concatGradientWgsl = [
  defineWgsl(concatGradient, ({ params: { rows, channelsA, channelsB } }) => [
    {
      count: rows * (channelsA + channelsB),
      code: `
fn run(i: u32) {
  let channels = u32(p.channelsA + p.channelsB);
  let row = i / channels;
  let c = i32(i % channels);
  if (c < p.channelsA) { set_dA(row * u32(p.channelsA) + u32(c), get_dy(i)); }
  else { set_dB(row * u32(p.channelsB) + u32(c - p.channelsA), get_dy(i)); }
}`,
    },
  ]),
];
