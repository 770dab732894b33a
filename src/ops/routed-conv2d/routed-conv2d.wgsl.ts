/** Routed layers: the convolution's output, which the processor's kernels make a few samples at a time, is scratch of the whole batch here. */
import { defineWgsl } from '../../core/wgsl.js';
import { filterGradientProduct, forwardProduct, imageElement } from '../conv2d/conv2d.wgsl.js';
import type { Geometry } from '../conv2d/geometry.js';
import { columnSums } from '../elementwise/row-sums.wgsl.js';
import { scaledElements } from '../elementwise/scaled.wgsl.js';
import { levelOf } from '../quantize/rounding.wgsl.js';
import { conv2dFilterGradientRouted, conv2dLevels, nowhere, routedBiasGradient } from './routed-conv2d.js';

/** Keeps the bias apart from the factor: it is added to the rounded product. */
const toScratch = `
fn finish(product: u32, m: u32, n: u32, sum: f32) { set_scratch(m * u32(p.outChannels) + n, sum * p.factor); }`;

/** Four elements of the pooled output by one invocation, because it writes words. */
const levelsAndRoutes = `
${levelOf}
fn run(word: u32) {
  var levels = 0u;
  var routes = 0u;
  for (var j = 0u; j < 4u; j++) {
    let i = i32(4u * word + j);
    let k = i % p.outChannels;
    let left = i / p.outChannels % p.pooledWidth * p.windowStride - p.windowLeft;
    let top = i / (p.outChannels * p.pooledWidth) % p.pooledHeight * p.windowStride - p.windowTop;
    let sample = i / (p.outChannels * p.pooledWidth * p.pooledHeight);
    if (sample >= p.batch) { break; }
    var best = 0.0;
    var route = -1;
    for (var h = max(top, 0); h < min(top + p.windowSize, p.outHeight); h++) {
      for (var w = max(left, 0); w < min(left + p.windowSize, p.outWidth); w++) {
        let v = get_scratch(u32(((sample * p.outHeight + h) * p.outWidth + w) * p.outChannels + k)) + get_bias(u32(k));
        if (route < 0 || v > best) {
          best = v;
          route = (h - top) * p.windowSize + w - left;
        }
      }
    }
    levels |= levelOf(clamp(best, 0.0, 1.0) * f32(p.levels), p.levels) << (8u * j);
    routes |= select(${nowhere}u, u32(route), best > 0.0 && best < 1.0) << (8u * j);
  }
  set_word_levels(word, levels);
  set_word_route(word, routes);
}`;

/** The gradient of a pixel of the convolution's output: that of its window where the window's maximum was this pixel. */
const spread = `
fn gradient(pixel: u32, sample: u32, k: u32) -> f32 {
  let column = i32(pixel) % p.outWidth + p.windowLeft;
  let row = i32(pixel) / p.outWidth % p.outHeight + p.windowTop;
  let h = row / p.windowStride;
  let w = column / p.windowStride;
  let inRow = row - h * p.windowStride;
  let inColumn = column - w * p.windowStride;
  if (h >= p.pooledHeight || w >= p.pooledWidth || inRow >= p.windowSize || inColumn >= p.windowSize) { return 0.0; }
  let i = u32((i32(sample) * p.pooledHeight + h) * p.pooledWidth + w) * u32(p.outChannels) + k;
  if (get_route(i) != u32(inRow * p.windowSize + inColumn)) { return 0.0; }
  return scaled_dy(i, sample) * p.factor;
}`;

const filterGradient = (params: Geometry & { readonly dyKind: number }) =>
  filterGradientProduct(params, `${imageElement}\n${scaledElements('dy', params.dyKind)}\n${spread}`);

export const routedConv2dWgsl = [
  defineWgsl(conv2dLevels, {
    passes: ({ params, types }) => [
      ...forwardProduct(params, types, () => toScratch),
      {
        count: Math.ceil((params.batch * params.pooledHeight * params.pooledWidth * params.outChannels) / 4),
        code: levelsAndRoutes,
      },
    ],
    scratchBytes: ({ params: p }) => 4 * p.batch * p.outHeight * p.outWidth * p.outChannels,
  }),
  defineWgsl(routedBiasGradient, {
    passes: (call) => biasGradient(call.params.dyKind).passes(call),
    scratchBytes: (call) => biasGradient(call.params.dyKind).scratchBytes!(call),
  }),
  defineWgsl(conv2dFilterGradientRouted, {
    passes: ({ params }) => filterGradient(params).passes,
    scratchBytes: ({ params }) => filterGradient(params).scratchBytes,
  }),
];

function biasGradient(dyKind: number) {
  return columnSums<(typeof routedBiasGradient)['params']>({
    rows: { count: ({ samples, pixels }) => Number(samples) * Number(pixels), text: 'u32(p.samples * p.pixels)' },
    values: `
${scaledElements('dy', dyKind)}
fn value(i: u32, c: u32) -> vec2f {
  if (get_route(i) == ${nowhere}u) { return vec2f(); }
  return vec2f(scaled_dy(i, i / u32(p.pixels * p.channels)), 0.0);
}`,
    finish: 'fn finish(c: u32, sums: vec2f) { set_dBias(c, sums.x); }',
  });
}
