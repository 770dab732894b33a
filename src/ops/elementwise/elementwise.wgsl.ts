import { defineWgsl } from '../../core/wgsl.js';
import { add, addBias, fill, sumRows } from './elementwise.js';
import { columnSums } from './row-sums.wgsl.js';

export const elementwiseWgsl = [
  defineWgsl(add, ({ params }) => [{ count: params.count, code: 'fn run(i: u32) { set_y(i, get_a(i) + get_b(i)); }' }]),
  defineWgsl(addBias, ({ params }) => [
    {
      count: params.rows * params.channels,
      code: 'fn run(i: u32) { set_y(i, get_x(i) + get_bias(i % u32(p.channels))); }',
    },
  ]),
  defineWgsl(
    sumRows,
    columnSums({
      values: 'fn value(i: u32, c: u32) -> vec2f { return vec2f(get_x(i), 0.0); }',
      finish: 'fn finish(c: u32, sums: vec2f) { set_sum(c, sums.x); }',
    }),
  ),
  defineWgsl(fill, ({ params }) => [{ count: params.count, code: 'fn run(i: u32) { set_y(i, p.value); }' }]),
];
