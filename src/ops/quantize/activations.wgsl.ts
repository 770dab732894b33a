import { defineWgsl } from '../../core/wgsl.js';
import { bytesPass } from '../bytes.wgsl.js';
import { dequantize, quantizeUnit } from './activations.js';
import { levelOf } from './rounding.wgsl.js';

export const activationQuantizerWgsl = [
  defineWgsl(quantizeUnit, ({ params }) => [
    bytesPass(
      'levels',
      params.count,
      `${levelOf} fn byteAt(i: u32) -> u32 { return levelOf(get_x(i) * f32(p.levels), p.levels); }`,
    ),
  ]),
  defineWgsl(dequantize, ({ params }) => [
    {
      count: params.count,
      code: `
fn run(i: u32) {
  var factor = p.factor;
  if (p.scaleCount > 0) { factor *= get_scale((i / u32(p.scaleStride)) % u32(p.scaleCount)); }
  set_y(i, real_x(i, i % u32(p.channels)) * factor);
}`,
    },
  ]),
];
