/**
 * The way back, each invocation by itself (normalize-quantize.wgsl.ts). The levels' largest magnitudes per sample come first, of gradients that are
 * computed and not kept; then they are computed again: that reads two integers an element, where keeping them would write a float
 * and read it.
 */
import type { TensorType } from '../../core/tensor.js';
import { defineWgsl, type WgslCall, type WgslKernel } from '../../core/wgsl.js';
import { inverseDeviation } from '../batch-norm/batch-norm.wgsl.js';
import { columnSums } from '../elementwise/row-sums.wgsl.js';
import { scaledElements } from '../elementwise/scaled.wgsl.js';
import { gradientWords } from '../quantize/gradients.wgsl.js';
import { largestOf, magnitudeBits, reduction } from '../reduction.wgsl.js';
import { normalizing } from './normalize-quantize.wgsl.js';
import {
  type GradientParams,
  normalizeQuantizeGradient,
  normalizeQuantizeGradientLevels,
  normalizeQuantizeGradientSums,
} from './normalize-quantize-gradient.js';

interface GradientCall {
  readonly params: GradientParams;
  readonly types: Readonly<Record<string, TensorType | undefined>>;
}

/** WGSL with `dzOf(i, at)` of the element i at a place, and `dyAt(i, n)`. */
function slopes({ params, types }: GradientCall): string {
  const dz =
    params.isPooled === 1
      ? `
  let top = (at.h + p.padTop) / p.stride;
  let left = (at.w + p.padLeft) / p.stride;
  if (top >= p.outHeight || left >= p.outWidth) { return 0.0; }
  let row = at.h + p.padTop - top * p.stride;
  let column = at.w + p.padLeft - left * p.stride;
  if (row >= p.size || column >= p.size) { return 0.0; }
  let found = maximumOf(Place(at.n, top, left, at.c));
  if (found.tap != row * p.size + column) { return 0.0; }
  return activationGradient(found.best, dyAt(outputAt(at.n, top, left, at.c), u32(at.n)));`
      : 'return activationGradient(zAt(i, u32(at.n), u32(at.c)), dyAt(i, u32(at.n)));';
  return `
${normalizing(params, types)}
${scaledElements('dy', params.dyKind)}
fn dyAt(i: u32, n: u32) -> f32 { return scaled_dy(i, n); }
fn dzOf(i: u32, at: Place) -> f32 { ${dz} }`;
}

/** WGSL with `dxAt(i)`. */
function gradients(call: GradientCall): string {
  const dx =
    call.types.mean === undefined
      ? 'return dz;'
      : `
  let c = u32(at.c);
  let rows = f32(p.batch * p.height * p.width);
  let inverse = inverseDeviation(get_variance(c));
  let slope = get_dGamma(c) / rows * inverse;
  let centred = realAt(i, u32(at.n)) - get_mean(c);
  return ((dz - get_dBeta(c) / rows) - centred * slope) * (get_gamma(c) * inverse);`;
  return `
${slopes(call)}
fn dxAt(i: u32) -> f32 {
  let at = placeOf(i, p.height, p.width);
  let dz = dzOf(i, at);
  ${dx}
}`;
}

const pixelsOf = (p: GradientParams): number => p.batch * p.height * p.width;

/** Only the windows' maxima have gradients, so that the sums go over windows. */
const sumsKernel = ({ params, types }: GradientCall): WgslKernel => {
  const isPooled = params.isPooled === 1;
  const element = isPooled
    ? `
  let to = placeOf(i, p.outHeight, p.outWidth);
  let found = maximumOf(to);
  let at = inputAt(to.n, to.h * p.stride - p.padTop + found.tap / p.size, to.w * p.stride - p.padLeft + found.tap % p.size, to.c);
  let z = found.best;`
    : `
  let to = placeOf(i, p.height, p.width);
  let at = i;
  let z = zAt(i, u32(to.n), c);`;
  const hasStatistics = types.mean !== undefined;
  return columnSums({
    rows: isPooled
      ? {
          count: () => params.batch * params.outHeight * params.outWidth,
          text: 'u32(p.batch * p.outHeight * p.outWidth)',
        }
      : { count: () => pixelsOf(params), text: 'u32(p.batch * p.height * p.width)' },
    values: `
${slopes({ params, types })}
fn value(i: u32, c: u32) -> vec2f {
  ${element}
  let dz = activationGradient(z, dyAt(i, u32(to.n)));
  return vec2f(${hasStatistics ? '(realAt(at, u32(to.n)) - get_mean(c)) * dz' : '0.0'}, dz);
}`,
    finish: `
${inverseDeviation}
fn finish(c: u32, sums: vec2f) {
  ${hasStatistics ? 'set_dGamma(c, sums.x * inverseDeviation(get_variance(c)));' : ''}
  set_dBeta(c, sums.y);
}`,
  });
};

const largestKernel = (call: GradientCall) =>
  reduction<typeof normalizeQuantizeGradientLevels.params>({
    ...largestOf,
    extent: (p) => ({ samples: p.batch, elements: p.height * p.width * p.channels }),
    elements: 'u32(p.height * p.width * p.channels)',
    code: `
${magnitudeBits}
${gradients(call)}
fn value(i: u32) -> vec2u { return vec2u(magnitudeBits(dxAt(i)), 0u); }
fn finish(sample: u32, total: vec2u) { set_word_max(sample, total.x); }`,
    rest: (elements) => [
      {
        count: Math.ceil((call.params.batch * elements) / 4),
        code: `${gradients(call)} ${gradientWords('dxAt(i)', 'get_max(i / u32(p.height * p.width * p.channels))')}`,
      },
    ],
  });

type Sums = WgslCall<typeof normalizeQuantizeGradientSums.params>;
type Levels = WgslCall<typeof normalizeQuantizeGradientLevels.params>;

export const normalizeQuantizeGradientWgsl = [
  defineWgsl(normalizeQuantizeGradientSums, {
    scratchBytes: (call: Sums) => sumsKernel(call).scratchBytes!(call),
    passes: (call: Sums) => sumsKernel(call).passes(call),
  }),
  defineWgsl(normalizeQuantizeGradient, ({ params, types }) => [
    {
      count: pixelsOf(params) * params.channels,
      code: `${gradients({ params, types })} fn run(i: u32) { set_dx(i, dxAt(i)); }`,
    },
  ]),
  defineWgsl(normalizeQuantizeGradientLevels, {
    scratchBytes: (call: Levels) => largestKernel(call).scratchBytes!(call),
    passes: (call: Levels) => largestKernel(call).passes(call),
  }),
];
