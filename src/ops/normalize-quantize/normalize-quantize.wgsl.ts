/**
 * Each invocation goes from the integers of a product to what it writes, by itself: all in registers. Where there are windows, whoever needs
 * a window's maximum finds it again; windows do not overlap, so that a pixel has one at most.
 */
import type { TensorType } from '../../core/tensor.js';
import { defineWgsl } from '../../core/wgsl.js';
import { activationOf } from '../activation/activation.wgsl.js';
import { inverseDeviation } from '../batch-norm/batch-norm.wgsl.js';
import { bytesPass } from '../bytes.wgsl.js';
import { scaledElements } from '../elementwise/scaled.wgsl.js';
import { placeOf, windowMaximum } from '../pool/pool.wgsl.js';
import { levelOf } from '../quantize/rounding.wgsl.js';
import { addDequantized } from './add-dequantized.js';
import { type NormalizeParams, normalizeQuantize } from './normalize-quantize.js';

type Types = Readonly<Record<string, TensorType | undefined>>;

const normalization = (types: Types): string => {
  if (types.mean !== undefined)
    return '(real - get_mean(c)) * (get_gamma(c) * inverseDeviation(get_variance(c))) + get_beta(c)';
  return types.beta === undefined ? 'real' : 'real + get_beta(c)';
};

/**
 * WGSL of ops with NormalizeParams: `realAt(i, n)`, `zAt(i, n, c)` of element i of sample n, `maximumOf`, and the activation's functions.
 */
export function normalizing(params: NormalizeParams, types: Types): string {
  return `
${placeOf}
${activationOf(params.kind)}
${inverseDeviation}
${scaledElements('x', params.xKind)}
fn realAt(i: u32, n: u32) -> f32 { return scaled_x(i, n); }
fn zAt(i: u32, n: u32, c: u32) -> f32 {
  let real = realAt(i, n);
  return ${normalization(types)};
}
${windowMaximum('zAt(at, u32(to.n), u32(to.c))', 'f32')}`;
}

export const normalizeQuantizeWgsl = [
  defineWgsl(normalizeQuantize, ({ params, types }) => [
    bytesPass(
      'levels',
      params.batch * params.outHeight * params.outWidth * params.channels,
      `
${normalizing(params, types)}
${levelOf}
fn byteAt(i: u32) -> u32 {
  let to = placeOf(i, p.outHeight, p.outWidth);
  let z = ${params.isPooled === 1 ? 'maximumOf(to).best' : 'zAt(i, u32(to.n), u32(to.c))'};
  return levelOf(activated(z) * f32(p.levels), p.levels);
}`,
    ),
  ]),
  defineWgsl(addDequantized, ({ params }) => [
    {
      count: params.samples * params.elements,
      code: `
${scaledElements('b', params.bKind)}
fn run(i: u32) { set_y(i, get_a(i) + scaled_b(i, i / u32(p.elements))); }`,
    },
  ]),
];
