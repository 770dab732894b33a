import { defineWgsl } from '../../core/wgsl.js';
import { bytesPass } from '../bytes.wgsl.js';
import { reduction, sumOf, whole } from '../reduction.wgsl.js';
import { beginScale, learnedScale, leastParameter, quantizeScaled, quantizeScaledGradient, slopes } from './learned.js';
import { levelOf } from './rounding.wgsl.js';

export const learnedScaleWgsl = [
  defineWgsl(
    beginScale,
    reduction({
      ...sumOf,
      ...whole,
      code: `
fn value(i: u32) -> vec2f { return vec2f(abs(get_x(i)), 0.0); }
fn finish(sample: u32, total: vec2f) {
  if (get_scale(0u) == 0.0) { set_scale(0u, total.x / f32(p.count) * p.factor); }
}`,
    }),
  ),
  defineWgsl(learnedScale, () => [
    { count: 1, code: `fn run(i: u32) { set_scale(0u, max(get_parameter(0u), ${leastParameter}) / p.divisor); }` },
  ]),
  defineWgsl(quantizeScaled, ({ params }) => [
    bytesPass(
      'levels',
      params.count,
      `
${levelOf}
fn byteAt(i: u32) -> u32 { return levelOf(round(get_x(i) * (1.0 / get_scale(0u))) - f32(p.low), p.high - p.low); }`,
    ),
  ]),
  defineWgsl(
    quantizeScaledGradient,
    reduction({
      ...sumOf,
      ...whole,
      code: `
fn value(i: u32) -> vec2f {
  let low = f32(p.low);
  let high = f32(p.high);
  let isRounded = p.slope == ${slopes.rounded};
  let v = get_x(i) * (1.0 / get_scale(0u));
  let isInside = (v > low || (v == low && !isRounded)) && v < high;
  let inside = select(0.0, clamp(round(v), low, high) - v, isRounded);
  let slope = select(select(low, high, v >= high), inside, isInside);
  set_dx(i, select(0.0, get_dy(i), isInside));
  return vec2f(get_dy(i) * slope, 0.0);
}
fn finish(sample: u32, total: vec2f) { set_dScale(0u, total.x * p.factor); }`,
    }),
  ),
];
