/**
 * Epilogues of fused convolutions in WGSL (packed-conv2d.ts says what each is).
 *
 * `guided` starts from the line's guess and compares until it holds, so that a GPU's float arithmetic cannot lead it astray. `linear` has
 * no thresholds beside it: its product must be rounded before the sum, which drivers would otherwise fuse. They cannot where bits
 * are changed in between, by a zero that they do not know.
 */
import type { WgslCall } from '../../core/wgsl.js';
import { rescaledWgsl } from '../integer/rescale.wgsl.js';
import { levelOfWgsl } from '../integer/threshold.wgsl.js';
import { epilogueKinds, type packedConv2dParams } from './packed-conv2d.js';

const constant = (row: string): string => `get_constants((${row}) * u32(p.outChannels) + c)`;

/** `fn result_of(acc: i32, c: u32) -> i32`: what becomes of the accumulator of channel c, by the epilogue's code. */
const kinds: Readonly<Record<number, string>> = {
  [epilogueKinds.accumulators]: 'fn result_of(acc: i32, c: u32) -> i32 { return acc; }',
  [epilogueKinds['short accumulators']]: 'fn result_of(acc: i32, c: u32) -> i32 { return acc; }',
  [epilogueKinds.thresholds]: `
${levelOfWgsl(constant)}
fn result_of(acc: i32, c: u32) -> i32 { return i32(level_of(acc, c)); }`,
  [epilogueKinds['two-sided thresholds']]: `
${levelOfWgsl(constant, (row) => constant(`u32(p.levels) + ${row}`))}
fn result_of(acc: i32, c: u32) -> i32 { return i32(level_of(acc, c)); }`,
  [epilogueKinds.linear]: `
fn result_of(acc: i32, c: u32) -> i32 {
  let product = bitcast<u32>(f32(acc) * ${constant('0u')}) ^ (p.pass_count >> 31u);
  return i32(clamp(round(bitcast<f32>(product) + ${constant('1u')}), 0.0, f32(p.levels)));
}`,
  [epilogueKinds.guided]: `
fn result_of(acc: i32, c: u32) -> i32 {
  let line = f32(acc) * bitcast<f32>(${constant('0u')}) + bitcast<f32>(${constant('1u')});
  var level = i32(clamp(floor(line), 0.0, f32(p.levels - 1)));
  while (level < p.levels && acc >= ${constant('2u + u32(level)')}) { level++; }
  while (level > 0 && acc < ${constant('1u + u32(level)')}) { level--; }
  return level;
}`,
  [epilogueKinds.stream]: `
${rescaledWgsl}
fn result_of(acc: i32, c: u32) -> i32 {
  return rescaled(acc, ${constant('0u')}, u32(${constant('1u')}), ${constant('2u')}, p.low, p.high);
}`,
};

/** `fn finish(product: i32, k: u32, i: u32) -> i32`: the i-th result, of output channel k, from productFactor * P - sumFactor * S. */
export function epilogueWgsl({ params, types }: WgslCall<typeof packedConv2dParams>): string {
  const offset =
    types.offsets === undefined
      ? ''
      : `
fn offset_of(i: u32, k: u32) -> i32 {
  let channels = u32(p.outChannels);
  let window = window_of(i / channels);
  let bottom = window.row + (p.kernelHeight - 1) * p.dilation;
  let right = window.column + (p.kernelWidth - 1) * p.dilation;
  let taps = u32(p.kernelHeight * p.kernelWidth);
  if (window.row >= 0 && window.column >= 0 && bottom < p.height && right < p.width) { return get_offsets(taps * channels + k); }
  var sum = 0;
  for (var t = 0u; t < taps; t++) {
    if (pixel_of(window, tap_at(t, 0u)) >= 0) { sum += get_offsets(t * channels + k); }
  }
  return sum;
}`;
  const acc = types.offsets === undefined ? 'product' : 'product - offset_of(i, k)';
  return `
${kinds[params.epilogue]}
${offset}
fn finish(product: i32, k: u32, i: u32) -> i32 {
  return result_of(${acc}, k)${types.residual === undefined ? '' : ' + get_residual(i)'};
}`;
}
