/**
 * Statistics are taken as native kernels do: each group of invocations has a chunk of rows, takes their mean and then the squares of what is
 * left of it, and the chunks are merged in order (Chan et al. 1979),
 *
 *     delta = mean_b - mean_a        mean = mean_a + delta n_b / n        squares = squares_a + squares_b + delta^2 n_a n_b / n
 *
 * so that nothing cancels where the mean is far from zero, and memory is read once: the second look at a chunk finds it in the cache.
 */
import { defineWgsl } from '../../core/wgsl.js';
import { columnSums } from '../elementwise/row-sums.wgsl.js';
import { elementKinds } from '../elementwise/scaled.js';
import { scaledElements } from '../elementwise/scaled.wgsl.js';
import {
  batchNormalize,
  batchNormGradient,
  batchNormGradientSums,
  batchStatistics,
  updateRunningStatistics,
} from './batch-norm.js';

const chunkRows = 1024;
/** Channels side by side in a group; the other invocations take other rows. */
const columns = 16;
const lanes = 128;

const chunksOf = (rows: number): number => Math.max(1, Math.ceil(rows / chunkRows));

/**
 * Whether the mean comes from a sum of integers. It does where they have one scale and a bound: the mean of a channel may be one of its
 * elements, which is then exactly where a clip begins, so that a rounding would decide where gradients go.
 */
const isWhole = (p: { xKind: number; xScaleCount: number; xMax: number; rows: number }): boolean =>
  p.xKind !== elementKinds.f32 && p.xScaleCount <= 1 && p.xMax * p.rows < 2 ** 31;

/** fn inverseDeviation(variance: f32) -> f32, of ops with the param epsilon */
export const inverseDeviation =
  'fn inverseDeviation(variance: f32) -> f32 { return 1.0 / sqrt(variance + p.epsilon); }';

/** The sum of a column's integers, left in its first invocation's place. */
const wholeSum = `
  var whole = 0;
  if (c < channels) {
    for (var row = first; row < end; row += ${lanes / columns}u) { whole += get_x(row * channels + c); }
  }
  wholes[lane] = whole;
  for (var half = ${lanes / 2}u; half >= ${columns}u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { wholes[lane] += wholes[lane + half]; }
  }`;

export const batchNormWgsl = [
  defineWgsl(batchStatistics, {
    scratchBytes: ({ params }) => 12 * chunksOf(params.rows) * params.channels,
    passes: ({ params }) => [
      {
        lanes,
        count: chunksOf(params.rows) * Math.ceil(params.channels / columns),
        code: `
${scaledElements('x', params.xKind)}
var<workgroup> partial: array<f32, ${lanes}>;
var<workgroup> wholes: array<i32, ${lanes}>;
/** The sum of what the invocations of a column have, for each of them. */
fn columnSum(lane: u32, own: f32) -> f32 {
  partial[lane] = own;
  for (var half = ${lanes / 2}u; half >= ${columns}u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { partial[lane] += partial[lane + half]; }
  }
  workgroupBarrier();
  let sum = partial[lane % ${columns}u];
  workgroupBarrier();
  return sum;
}
fn run(group: u32, lane: u32) {
  let channels = u32(p.channels);
  let blocks = (channels + ${columns - 1}u) / ${columns}u;
  let chunk = group / blocks;
  let c = (group % blocks) * ${columns}u + lane % ${columns}u;
  let rowsPerSample = u32(p.rows) / u32(p.samples);
  let end = min(u32(p.rows), (chunk + 1u) * ${chunkRows}u);
  let first = chunk * ${chunkRows}u + lane / ${columns}u;
  var sum = 0.0;
  if (c < channels) {
    for (var row = first; row < end; row += ${lanes / columns}u) { sum += scaled_x(row * channels + c, row / rowsPerSample); }
  }
  let mean = columnSum(lane, sum) / f32(end - chunk * ${chunkRows}u);
  sum = 0.0;
  if (c < channels) {
    for (var row = first; row < end; row += ${lanes / columns}u) {
      let difference = scaled_x(row * channels + c, row / rowsPerSample) - mean;
      sum += difference * difference;
    }
  }
  let squares = columnSum(lane, sum);
  ${isWhole(params) ? wholeSum : ''}
  if (lane < ${columns}u && c < channels) {
    let at = 3u * (chunk * channels + c);
    set_scratch(at, mean);
    set_scratch(at + 1u, squares);
    ${isWhole(params) ? 'set_word_scratch(at + 2u, bitcast<u32>(wholes[lane]));' : ''}
  }
}`,
      },
      {
        count: params.channels,
        code: `
${scaledElements('x', params.xKind)}
fn run(c: u32) {
  let rows = u32(p.rows);
  var mean = get_scratch(3u * c);
  var squares = get_scratch(3u * c + 1u);
  var whole = bitcast<i32>(word_scratch(3u * c + 2u));
  for (var first = ${chunkRows}u; first < rows; first += ${chunkRows}u) {
    let at = 3u * (first / ${chunkRows}u * u32(p.channels) + c);
    let end = min(rows, first + ${chunkRows}u);
    let share = f32(end - first) / f32(end);
    let delta = get_scratch(at) - mean;
    mean += delta * share;
    squares += get_scratch(at + 1u) + delta * delta * f32(first) * share;
    whole += bitcast<i32>(word_scratch(at + 2u));
  }
  ${isWhole(params) ? 'mean = (f32(whole / p.rows) + f32(whole % p.rows) / f32(p.rows)) * scaleOf_x(0u);' : ''}
  set_mean(c, mean);
  set_variance(c, squares / f32(rows));
}`,
      },
    ],
  }),
  defineWgsl(batchNormalize, ({ params }) => [
    {
      count: params.rows * params.channels,
      code: `
${inverseDeviation}
fn run(i: u32) {
  let c = i % u32(p.channels);
  let scale = get_gamma(c) * inverseDeviation(get_variance(c));
  set_y(i, (get_x(i) - get_mean(c)) * scale + get_beta(c));
}`,
    },
  ]),
  defineWgsl(updateRunningStatistics, ({ params }) => [
    {
      count: params.channels,
      code: `
fn run(c: u32) {
  set_runningMean(c, p.kept * get_runningMean(c) + p.added * get_mean(c));
  set_runningVariance(c, p.kept * get_runningVariance(c) + p.added * (p.unbias * get_variance(c)));
}`,
    },
  ]),
  defineWgsl(
    batchNormGradientSums,
    columnSums({
      values: 'fn value(i: u32, c: u32) -> vec2f { return vec2f((get_x(i) - get_mean(c)) * get_dy(i), get_dy(i)); }',
      finish: `
${inverseDeviation}
fn finish(c: u32, sums: vec2f) {
  set_dGamma(c, sums.x * inverseDeviation(get_variance(c)));
  set_dBeta(c, sums.y);
}`,
    }),
  ),
  defineWgsl(batchNormGradient, ({ params }) => [
    {
      count: params.rows * params.channels,
      code: `
${inverseDeviation}
fn run(i: u32) {
  let c = i % u32(p.channels);
  let rows = f32(p.rows);
  let inverse = inverseDeviation(get_variance(c));
  let slope = get_dGamma(c) / rows * inverse;
  let centred = get_x(i) - get_mean(c);
  set_dx(i, ((get_dy(i) - get_dBeta(c) / rows) - centred * slope) * (get_gamma(c) * inverse));
}`,
    },
  ]),
];
