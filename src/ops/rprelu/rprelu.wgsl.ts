import { defineWgsl } from '../../core/wgsl.js';
import { columnSums } from '../elementwise/row-sums.wgsl.js';
import { rprelu, rpreluGradient } from './rprelu.js';

export const rpreluWgsl = [
  defineWgsl(rprelu, ({ params }) => [
    {
      count: params.rows * params.channels,
      code: `
fn run(i: u32) {
  let c = i % u32(p.channels);
  let distance = get_x(i) - get_gamma(c);
  set_y(i, select(get_beta(c) * distance, distance, distance > 0.0) + get_zeta(c));
}`,
    },
  ]),
  defineWgsl(
    rpreluGradient,
    columnSums({
      width: 4,
      values: `
fn value(i: u32, c: u32) -> vec4f {
  let distance = get_x(i) - get_gamma(c);
  let dy = get_dy(i);
  let isAbove = distance > 0.0;
  let dx = select(get_beta(c) * dy, dy, isAbove);
  set_dx(i, dx);
  return vec4f(dx, select(distance * dy, 0.0, isAbove), dy, 0.0);
}`,
      finish: `
fn finish(c: u32, sums: vec4f) {
  set_dGamma(c, -sums.x);
  set_dBeta(c, sums.y);
  set_dZeta(c, sums.z);
}`,
    }),
  ),
];
