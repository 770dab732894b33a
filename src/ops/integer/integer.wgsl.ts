import { defineWgsl } from '../../core/wgsl.js';
import { eachElement } from '../elements.wgsl.js';
import { integerAdd } from './integer-add.js';
import { integerMaxPool, sumPool } from './integer-pool.js';
import { lookup } from './lookup.js';
import { rescale } from './rescale.js';
import { rescaledWgsl } from './rescale.wgsl.js';
import { threshold } from './threshold.js';
import { levelOfWgsl } from './threshold.wgsl.js';

export const integerWgsl = [
  defineWgsl(integerAdd, ({ params }) => [
    { count: params.count, code: 'fn run(i: u32) { set_y(i, get_a(i) + get_b(i)); }' },
  ]),
  defineWgsl(threshold, ({ params, types }) => [
    eachElement(
      'levels',
      'u8',
      params.rows * params.channels,
      `
${levelOfWgsl(
  (row) => `get_up(${row} * u32(p.channels) + c)`,
  types.down && ((row) => `get_down(${row} * u32(p.channels) + c)`),
)}
fn bits(i: u32) -> u32 { return level_of(get_x(i), i % u32(p.channels)); }`,
    ),
  ]),
  defineWgsl(lookup, ({ params, types }) => [
    eachElement(
      'y',
      types.y!.dtype,
      params.rows * params.channels,
      'fn bits(i: u32) -> u32 { return u32(get_table(get_x(i) * u32(p.channels) + i % u32(p.channels))); }',
    ),
  ]),
  defineWgsl(rescale, ({ params }) => [
    {
      count: params.rows * params.channels,
      code: `
${rescaledWgsl}
fn run(i: u32) {
  let c = i % u32(p.channels);
  set_y(i, rescaled(get_x(i), get_multiplier(c), u32(get_shift(c)), get_bias(c), p.low, p.high));
}`,
    },
  ]),
  defineWgsl(integerMaxPool, ({ params, types }) => [
    eachElement(
      'y',
      types.y!.dtype,
      params.batch * params.outHeight * params.outWidth * params.channels,
      `
fn bits(i: u32) -> u32 {
  let c = i % u32(p.channels);
  let column = i / u32(p.channels);
  let row = column / u32(p.outWidth);
  let n = i32(row) / p.outHeight;
  let top = i32(row) % p.outHeight * p.stride - p.padTop;
  let left = i32(column) % p.outWidth * p.stride - p.padLeft;
  var best = -2147483647 - 1;
  for (var h = max(top, 0); h < min(top + p.size, p.height); h++) {
    for (var w = max(left, 0); w < min(left + p.size, p.width); w++) {
      best = max(best, i32(get_x(u32((n * p.height + h) * p.width + w) * u32(p.channels) + c)));
    }
  }
  return u32(best);
}`,
    ),
  ]),
  defineWgsl(sumPool, ({ params }) => [
    {
      count: params.batch * params.channels,
      code: `
fn run(i: u32) {
  let c = i % u32(p.channels);
  let first = i / u32(p.channels) * u32(p.pixels * p.channels) + c;
  var sum = 0;
  for (var pixel = 0u; pixel < u32(p.pixels); pixel++) { sum += integer_x(first + pixel * u32(p.channels), c); }
  set_y(i, sum);
}`,
    },
  ]),
];
