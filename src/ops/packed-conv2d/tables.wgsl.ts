/**
 * Look-up tables on a GPU (tables.ts): the subset sums of a few inputs under a tap are computed once for each pixel of a tile, two to a word of
 * the memory that the group shares, and each channel's index picks one.
 */
import { defineWgsl } from '../../core/wgsl.js';
import { eachElement } from '../elements.wgsl.js';
import { fusedConvolution } from './fused-tile.wgsl.js';
import { conv2dTables, packTables } from './tables.js';

/** Places of a block's 64 channels, also the codebook's. */
export const lanesWgsl = `
fn lane_of(channel: u32) -> u32 { return select(2u * channel - 63u, 2u * channel, channel < 32u); }
fn channel_of(lane: u32) -> u32 { return lane / 2u + 32u * (lane & 1u); }
fn group_blocks() -> u32 { return u32(p.outChannels / p.groups + 63) / 64u; }`;

const packTablesWgsl = defineWgsl(packTables, ({ types: { packed } }) => [
  eachElement(
    'packed',
    'u8',
    packed!.shape[0]!,
    `
${lanesWgsl}
fn bits(i: u32) -> u32 {
  let inputs = u32(p.groupInputs);
  let tables = (inputs + u32(p.tableInputs) - 1u) / u32(p.tableInputs);
  let row = i / 64u;
  let tap = row / tables % u32(p.taps);
  let plane = row / tables / u32(p.taps) % u32(p.weightBits);
  let block = row / tables / u32(p.taps) / u32(p.weightBits);
  let group_outputs = u32(p.outChannels / p.groups);
  let n = block % group_blocks() * 64u + channel_of(i % 64u);
  if (n >= group_outputs) { return 0u; }
  let k = block / group_blocks() * group_outputs + n;
  var index = 0u;
  for (var b = 0u; b < u32(p.tableInputs); b++) {
    let c = row % tables * u32(p.tableInputs) + b;
    if (c < inputs) { index |= extractBits(get_filter((tap * inputs + c) * u32(p.outChannels) + k), plane, 1u) << b; }
  }
  return index;
}`,
  ),
]);

const conv2dTablesWgsl = defineWgsl(
  conv2dTables,
  fusedConvolution(({ params: { tableInputs, weightBits } }) => {
    const entries = (pixel: number): string =>
      `vec4i(${['x', 'y', 'z', 'w'].map((channel) => `entry(step, pixel + ${pixel}u, index.${channel})`).join(', ')})`;
    return {
      pixelWords: 2 ** tableInputs / 2,
      channelWords: weightBits,
      code: `
${lanesWgsl}
fn tap_tables() -> u32 { return u32(p.inChannels / p.groups + ${tableInputs - 1}) / ${tableInputs}u; }
fn step_count() -> u32 { return u32(p.kernelHeight * p.kernelWidth) * tap_tables(); }
fn tap_of(step: u32) -> Tap { return tap_at(step / tap_tables(), step % tap_tables()); }
fn pixel_word(window: Window, tap: Tap, part: u32) -> vec2u {
  let pixel = pixel_of(window, tap);
  if (pixel < 0) { return vec2u(); }
  let inputs = u32(p.inChannels / p.groups);
  let first = u32(pixel) * u32(p.inChannels) + channel_group * inputs;
  // Entries 2 part and 2 part + 1, which has input 0 as well; input b is bit b of an entry's number.
  var word = 0u;
  var sum = 0u;
  for (var b = 0u; b < ${tableInputs}u; b++) {
    let c = tap.piece * ${tableInputs}u + b;
    if (c >= inputs) { break; }
    let x = get_x(first + c);
    sum += x;
    if (b == 0u) { word += x << 16u; } else if (extractBits(part, b - 1u, 1u) == 1u) { word += x * 0x10001u; }
  }
  return vec2u(word, select(0u, sum, part == 0u));
}
fn channel_word(n: u32, step: u32, tap: Tap, part: u32) -> u32 {
  let block = channel_group * group_blocks() + n / 64u;
  return get_filter(((block * ${weightBits}u + part) * step_count() + step) * 64u + lane_of(n % 64u));
}
fn entry(step: u32, pixel: u32, index: u32) -> i32 {
  return i32(extractBits(pixel_at(step, index / 2u, pixel), 16u * (index & 1u), 16u));
}
fn multiply(step: u32, pixel: u32, channel: u32) {
  for (var m = 0u; m < ${weightBits}u; m++) {
    let index = channels4(step, m, channel);
    let shift = vec4u(m);
    sums[0] += ${entries(0)} << shift;
    sums[1] += ${entries(1)} << shift;
    sums[2] += ${entries(2)} << shift;
    sums[3] += ${entries(3)} << shift;
  }
}
fn product(sum: i32, window_sum: i32, k: u32) -> i32 { return p.productFactor * sum - p.sumFactor * window_sum; }`,
    };
  }),
);

export const tablesWgsl = [packTablesWgsl, conv2dTablesWgsl];
