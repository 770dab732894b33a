/**
 * The three products of a convolution as tiled products:
 *
 *     conv2d                   rows: output pixels    columns: output channels    depth: taps x input channels
 *     conv2d-input-gradient    rows: image pixels     columns: input channels     depth: taps x output channels
 *     conv2d-filter-gradient   rows: taps x input channels    columns: output channels    depth: output pixels of the whole batch
 *
 * all of one group of channels. Two quantized operands give integer sums where the static bound allows; the filter's gradient, whose scales per sample are
 * inside its sum, is float.
 */
import { largestInteger, type TensorType } from '../../core/tensor.js';
import { defineWgsl, type WgslCall } from '../../core/wgsl.js';
import { conv2d, conv2dFilterGradient, conv2dInputGradient } from './conv2d.js';
import type { Geometry } from './geometry.js';
import { partialBytes, partsOf, tiledProduct } from './tiled-product.wgsl.js';

/** fround(scale * factor): one of one, or one of many scales. */
export const scaleAt = (slot: string): string => `
fn scale_${slot}(index: u32, factor: f32) -> f32 {
  if (p.${slot}Count == 0) { return factor; }
  return get_${slot}(select(index, 0u, p.${slot}Count == 1)) * factor;
}`;

/** What an element of an operand is in a product of this kind. */
const elementOf = (slot: string, element: 'f32' | 'i32') => (element === 'i32' ? `integer_${slot}` : `real_${slot}`);

function elementFor(left: TensorType, right: TensorType, terms: number): 'f32' | 'i32' {
  if (left.encoding === undefined || right.encoding === undefined) return 'f32';
  return largestInteger(left.encoding) * largestInteger(right.encoding) * terms < 2 ** 31 ? 'i32' : 'f32';
}

/** The image's pixel behind a row of output pixels: sample, and the first row and column of its window. */
export const outputPixels = `
fn pixel_of(m: u32) -> vec4i {
  let i = i32(m);
  let ow = i % p.outWidth;
  let oh = i / p.outWidth % p.outHeight;
  return vec4i(i / (p.outWidth * p.outHeight), oh * p.stride - p.padTop, ow * p.stride - p.padLeft, 0);
}`;

const groupChannels = 'let groupChannels = p.inChannels / p.groups; let groupOutputs = p.outChannels / p.groups;';

/**
 * The forward product of ops with the params of a geometry and the slots x and filter. WGSL gives `finish(product, m, n, sum)` where channelOf(product, n) is
 * the output channel.
 */
export function forwardProduct(p: Geometry, types: WgslCall['types'], finish: (element: 'f32' | 'i32') => string) {
  const depth = (p.kernelHeight * p.kernelWidth * p.inChannels) / p.groups;
  const T = elementFor(types.x!, types.filter!, depth);
  return tiledProduct({
    element: T,
    rows: p.batch * p.outHeight * p.outWidth,
    columns: p.outChannels / p.groups,
    products: p.groups,
    depth,
    code: `
${outputPixels}
fn channelOf(product: u32, n: u32) -> u32 { return product * u32(p.outChannels / p.groups) + n; }
fn row_of(product: u32, m: u32) -> vec4i { return pixel_of(m); }
fn step_of(product: u32, k: u32) -> vec4i {
  let groupChannels = p.inChannels / p.groups;
  let tap = i32(k) / groupChannels;
  return vec4i(tap / p.kernelWidth * p.dilation, tap % p.kernelWidth * p.dilation, i32(k) % groupChannels + i32(product) * groupChannels, i32(k));
}
fn left(row: vec4i, step: vec4i) -> ${T} {
  let h = row.y + step.x;
  let w = row.z + step.y;
  if (h < 0 || h >= p.height || w < 0 || w >= p.width) { return ${T}(); }
  return ${elementOf('x', T)}(u32(((row.x * p.height + h) * p.width + w) * p.inChannels + step.z), u32(step.z));
}
fn right(step: vec4i, product: u32, n: u32) -> ${T} {
  let k = channelOf(product, n);
  return ${elementOf('filter', T)}(u32(step.w * p.outChannels) + k, k);
}
${finish(T)}`,
  });
}

function forward({ params, types }: WgslCall<(typeof conv2d)['params']>) {
  return forwardProduct(
    params,
    types,
    (T) => `
${scaleAt('xScale')}
${scaleAt('filterScale')}
fn finish(product: u32, m: u32, n: u32, sum: ${T}) {
  let k = channelOf(product, n);
  let sample = m / u32(p.outHeight * p.outWidth);
  set_y(m * u32(p.outChannels) + k, f32(sum) * (scale_xScale(sample, p.factor) * scale_filterScale(k, 1.0)));
}`,
  );
}

function inputGradient({ params: p, types }: WgslCall<(typeof conv2dInputGradient)['params']>) {
  const depth = (p.kernelHeight * p.kernelWidth * p.outChannels) / p.groups;
  // A scale per output channel rides on the depth, so it cannot leave the sum.
  const isPerChannel = p.filterScaleCount > 1;
  const T = isPerChannel ? 'f32' : elementFor(types.dy!, types.filter!, depth);
  const filterFactor = isPerChannel ? '1.0' : 'scale_filterScale(0u, 1.0)';
  return tiledProduct({
    element: T,
    rows: p.batch * p.height * p.width,
    columns: p.inChannels / p.groups,
    products: p.groups,
    depth,
    code: `
${scaleAt('dyScale')}
${scaleAt('filterScale')}
fn row_of(product: u32, m: u32) -> vec4i {
  let i = i32(m);
  return vec4i(i / (p.width * p.height), i / p.width % p.height + p.padTop, i % p.width + p.padLeft, 0);
}
fn step_of(product: u32, k: u32) -> vec4i {
  ${groupChannels}
  let tap = i32(k) / groupOutputs;
  return vec4i(tap / p.kernelWidth * p.dilation, tap % p.kernelWidth * p.dilation, i32(k) % groupOutputs + i32(product) * groupOutputs, tap);
}
fn left(row: vec4i, step: vec4i) -> ${T} {
  let h = row.y - step.x;
  let w = row.z - step.y;
  let oh = h / p.stride;
  let ow = w / p.stride;
  if (h < 0 || w < 0 || oh * p.stride != h || ow * p.stride != w || oh >= p.outHeight || ow >= p.outWidth) { return ${T}(); }
  return ${elementOf('dy', T)}(u32(((row.x * p.outHeight + oh) * p.outWidth + ow) * p.outChannels + step.z), u32(step.z));
}
fn right(step: vec4i, product: u32, n: u32) -> ${T} {
  ${groupChannels}
  let weight = ${elementOf('filter', T)}(u32((step.w * groupChannels + i32(n)) * p.outChannels + step.z), u32(step.z));
  return weight${isPerChannel ? ' * get_filterScale(u32(step.z))' : ''};
}
fn finish(product: u32, m: u32, n: u32, sum: ${T}) {
  ${groupChannels}
  let sample = m / u32(p.height * p.width);
  set_dx(m * u32(p.inChannels) + product * u32(groupChannels) + n, f32(sum) * (scale_dyScale(sample, p.factor) * ${filterFactor}));
}`,
  });
}

/** A filter's gradient from two operands of which WGSL gives `image(sample, h, w, c) -> f32` and `gradient(pixel, sample, k) -> f32`. */
export function filterGradientProduct(p: Geometry, operands: string) {
  const shape = {
    rows: (p.kernelHeight * p.kernelWidth * p.inChannels) / p.groups,
    columns: p.outChannels / p.groups,
    products: p.groups,
    depth: p.batch * p.outHeight * p.outWidth,
  };
  const parts = partsOf(shape);
  return {
    scratchBytes: partialBytes({ ...shape, parts }),
    passes: tiledProduct({
      ...shape,
      element: 'f32',
      parts,
      isLeftByRow: true,
      code: `
${outputPixels}
${operands}
fn row_of(product: u32, m: u32) -> vec4i {
  ${groupChannels}
  let tap = i32(m) / groupChannels;
  return vec4i(tap / p.kernelWidth * p.dilation, tap % p.kernelWidth * p.dilation, i32(m) % groupChannels + i32(product) * groupChannels, 0);
}
fn step_of(product: u32, k: u32) -> vec4i { return vec4i(pixel_of(k).xyz, i32(k)); }
fn left(row: vec4i, step: vec4i) -> f32 {
  let h = step.y + row.x;
  let w = step.z + row.y;
  if (h < 0 || h >= p.height || w < 0 || w >= p.width) { return 0.0; }
  return image(u32(step.x), u32(h), u32(w), u32(row.z));
}
fn right(step: vec4i, product: u32, n: u32) -> f32 {
  ${groupChannels}
  return gradient(u32(step.w), u32(step.x), product * u32(groupOutputs) + n);
}
fn finish(product: u32, m: u32, n: u32, sum: f32) {
  ${groupChannels}
  set_dFilter(m * u32(p.outChannels) + product * u32(groupOutputs) + n, sum);
}`,
    }),
  };
}

/** The image's real element, before steps and scales. */
export const imageElement = `
fn image(sample: u32, h: u32, w: u32, c: u32) -> f32 {
  return real_x(((sample * u32(p.height) + h) * u32(p.width) + w) * u32(p.inChannels) + c, c);
}`;

const filterGradientOperands = `
${scaleAt('xScale')}
${scaleAt('dyScale')}
${imageElement}
fn gradient(pixel: u32, sample: u32, k: u32) -> f32 {
  return real_dy(pixel * u32(p.outChannels) + k, k) * (scale_xScale(sample, p.factor) * scale_dyScale(sample, 1.0));
}`;

export const conv2dWgsl = [
  defineWgsl(conv2d, forward),
  defineWgsl(conv2dInputGradient, inputGradient),
  defineWgsl(conv2dFilterGradient, {
    passes: ({ params }) => filterGradientProduct(params, filterGradientOperands).passes,
    scratchBytes: ({ params }) => filterGradientProduct(params, filterGradientOperands).scratchBytes,
  }),
];
