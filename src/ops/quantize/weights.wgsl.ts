import { defineWgsl } from '../../core/wgsl.js';
import { activationOf } from '../activation/activation.wgsl.js';
import { bytesPass } from '../bytes.wgsl.js';
import { columnSums } from '../elementwise/row-sums.wgsl.js';
import { wgslMath } from '../math.wgsl.js';
import { largestOf, magnitudeBits, reduction, sumOf, whole } from '../reduction.wgsl.js';
import { levelOf } from './rounding.wgsl.js';
import { combineScales } from './scales.js';
import { signGradient } from './signs.js';
import { quantizeTernary, ternaryScale, thresholdShare } from './ternary.js';
import { maxAbsTanh, meanAbs, meanAbsPerChannel, quantizeSign, quantizeTanh, quantizeTanhGradient } from './weights.js';

const threshold = `fn threshold() -> f32 { return get_mean(0u) * ${thresholdShare}; }`;

export const weightQuantizerWgsl = [
  defineWgsl(
    meanAbs,
    reduction({
      ...sumOf,
      ...whole,
      code: `
fn value(i: u32) -> vec2f { return vec2f(abs(get_x(i)), 0.0); }
fn finish(sample: u32, total: vec2f) { set_mean(0u, total.x / f32(p.count)); }`,
    }),
  ),
  defineWgsl(
    meanAbsPerChannel,
    columnSums({
      values: 'fn value(i: u32, c: u32) -> vec2f { return vec2f(abs(get_x(i)), 0.0); }',
      finish: 'fn finish(c: u32, sums: vec2f) { set_mean(c, sums.x / f32(p.rows)); }',
    }),
  ),
  defineWgsl(quantizeSign, ({ params }) => [
    bytesPass(
      'levels',
      params.count,
      // By bits: a denormal negative number is negative, zero of either sign is not, NaN neither.
      `
fn byteAt(i: u32) -> u32 {
  let bits = word_x(i);
  return select(0u, 1u, bits <= 0x7f800000u || bits == 0x80000000u);
}`,
    ),
  ]),
  defineWgsl(
    maxAbsTanh,
    reduction({
      ...largestOf,
      ...whole,
      code: `
${magnitudeBits}
${wgslMath.tangent}
fn value(i: u32) -> vec2u { return vec2u(magnitudeBits(get_x(i)), 0u); }
fn finish(sample: u32, total: vec2u) { set_max(0u, tangentAndSlope(bitcast<f32>(total.x)).x); }`,
    }),
  ),
  defineWgsl(quantizeTanh, ({ params }) => [
    bytesPass(
      'levels',
      params.count,
      `
${levelOf}
${wgslMath.tangent}
fn byteAt(i: u32) -> u32 {
  let largest = get_max(0u);
  let inverse = select(0.0, 0.5 / largest, largest > 0.0);
  return levelOf((tangentAndSlope(get_x(i)).x * inverse + 0.5) * f32(p.levels), p.levels);
}`,
    ),
  ]),
  defineWgsl(
    quantizeTanhGradient,
    reduction({
      // The sum of products, the bits of the largest magnitude, and where its first is.
      type: 'vec4u',
      combine: 'vec4u(bitcast<u32>(bitcast<f32>(a.x) + bitcast<f32>(b.x)), firstOfLargest(a.yz, b.yz), 0u)',
      ...whole,
      code: `
${magnitudeBits}
${wgslMath.tangent}
fn firstOfLargest(a: vec2u, b: vec2u) -> vec2u { return select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y)); }
fn value(i: u32) -> vec4u {
  return vec4u(bitcast<u32>(get_dLevels(i) * tangentAndSlope(get_x(i)).x), magnitudeBits(get_x(i)), i, 0u);
}
fn finish(sample: u32, total: vec4u) {
  set_word_scratch(0u, total.x);
  set_word_scratch(1u, total.z);
}`,
      rest: (count) => [
        {
          count,
          code: `
${wgslMath.tangent}
fn run(i: u32) {
  let largest = get_max(0u);
  let y = tangentAndSlope(get_x(i));
  var dx = get_dLevels(i) * y.y / largest;
  if (i == word_scratch(1u)) { dx -= get_scratch(0u) / (largest * largest) * sign(y.x) * y.y; }
  set_dx(i, select(dx, 0.0, largest == 0.0));
}`,
        },
      ],
    }),
  ),
  defineWgsl(combineScales, ({ params }) => [
    { count: params.count, code: 'fn run(i: u32) { set_y(i, (get_a(i) * p.factor) * get_b(0u)); }' },
  ]),
  defineWgsl(signGradient, ({ params }) => [
    {
      count: params.rows * params.channels,
      code: `
${activationOf(params.kind)}
fn run(i: u32) {
  let slope = 2.0 * slopeAt(get_x(i));
  let factor = select(slope, p.share + get_scale(i % u32(p.channels)) * slope, has_scale);
  set_dx(i, factor * get_dy(i));
}`,
    },
  ]),
  defineWgsl(
    ternaryScale,
    reduction({
      ...sumOf,
      ...whole,
      code: `
${threshold}
fn value(i: u32) -> vec2f {
  let size = abs(get_x(i));
  return select(vec2f(), vec2f(size, 1.0), size > threshold());
}
fn finish(sample: u32, total: vec2f) { set_scale(0u, select(total.x / total.y, 0.0, total.y == 0.0)); }`,
    }),
  ),
  defineWgsl(quantizeTernary, ({ params }) => [
    bytesPass(
      'levels',
      params.count,
      `
${threshold}
fn byteAt(i: u32) -> u32 {
  return 2u + select(0u, 1u, get_x(i) > threshold()) - select(0u, 1u, get_x(i) < -threshold());
}`,
    ),
  ]),
];
