/**
 * A codebook on a GPU (codebook.ts): the codewords' responses to a patch are computed once for each pixel of a tile and input channel, four to
 * a word of the memory that the group shares, and each output channel's index picks one.
 *
 * The patches come from a pass of their own, in scratch: [pixel][channel], nine bits for each plane of the activations.
 */
import { defineWgsl } from '../../core/wgsl.js';
import { codewordTaps, numCodewords } from '../codewords.js';
import { eachElement } from '../elements.wgsl.js';
import { conv2dCodebook, maxCodewords, packCodebook } from './codebook.js';
import { fusedConvolution, windowWgsl } from './fused-tile.wgsl.js';
import { lanesWgsl } from './tables.wgsl.js';

/** Where the parts of the packed filter begin, in bytes; `inputs` is WGSL for the channels of a group. */
const layout = (inputs: string): string => `
${lanesWgsl}
const header_bytes = ${2 * maxCodewords}u;
fn group_indices() -> u32 { return (u32(${inputs}) + u32(p.tableInputs) - 1u) / u32(p.tableInputs); }
fn turned_start() -> u32 { return header_bytes + u32(p.groups) * group_blocks() * group_indices() * 64u; }`;

/** In scratch: the codeword of each weight, which codewords there are, how many come before each, and their list. */
const packCodebookWgsl = defineWgsl(packCodebook, {
  scratchBytes: ({ params: { groupInputs, outChannels } }) =>
    4 * (groupInputs * outChannels + 2 * numCodewords + maxCodewords),
  passes({ params, types: { packed, signs } }) {
    const channels = params.groupInputs * params.outChannels;
    const parts = `
fn channel_count() -> u32 { return u32(p.groupInputs * p.outChannels); }
fn presence(codeword: u32) -> u32 { return channel_count() + codeword; }
fn position(codeword: u32) -> u32 { return channel_count() + ${numCodewords}u + codeword; }
fn listed(i: u32) -> u32 { return channel_count() + ${2 * numCodewords}u + i; }`;
    return [
      {
        count: channels,
        code: `
fn run(i: u32) {
  var codeword = 0u;
  for (var tap = 0u; tap < ${codewordTaps}u; tap++) {
    codeword = 2u * codeword + get_filter(tap * u32(p.groupInputs * p.outChannels) + i);
  }
  set_word_scratch(i, codeword);
}`,
      },
      {
        count: numCodewords,
        code: `
${parts}
fn run(codeword: u32) {
  var found = 0u;
  for (var i = 0u; i < channel_count(); i++) { found |= u32(word_scratch(i) == codeword); }
  set_word_scratch(presence(codeword), found);
  if (codeword < ${maxCodewords}u) { set_word_scratch(listed(codeword), 0xffffu); }
}`,
      },
      {
        count: numCodewords,
        code: `
${parts}
fn run(codeword: u32) {
  var before = 0u;
  for (var i = 0u; i < codeword; i++) { before += word_scratch(presence(i)); }
  set_word_scratch(position(codeword), before);
  if (before < ${maxCodewords}u && word_scratch(presence(codeword)) == 1u) { set_word_scratch(listed(before), codeword); }
}`,
      },
      eachElement(
        'packed',
        'u8',
        packed!.shape[0]!,
        `
${layout('p.groupInputs')}
${parts}
fn bits(i: u32) -> u32 {
  if (i < header_bytes) { return word_scratch(listed(i / 2u)) >> (8u * (i & 1u)); }
  let group_outputs = u32(p.outChannels / p.groups);
  if (i >= turned_start()) { return ${signs === undefined ? '0u' : 'select(0u, 255u, get_signs((i - turned_start()) / 4u) == 0u)'}; }
  let row = (i - header_bytes) / 64u;
  let block = row / group_indices();
  let n = block % group_blocks() * 64u + channel_of(i % 64u);
  if (n >= group_outputs) { return 0u; }
  let k = block / group_blocks() * group_outputs + n;
  var index = 0u;
  for (var j = 0u; j < u32(p.tableInputs); j++) {
    let c = row % group_indices() * u32(p.tableInputs) + j;
    if (c < u32(p.groupInputs)) { index |= word_scratch(position(word_scratch(c * u32(p.outChannels) + k))) << (3u * j); }
  }
  return index;
}`,
      ),
    ];
  },
});

const conv2dCodebookWgsl = defineWgsl(
  conv2dCodebook,
  fusedConvolution(({ params }) => {
    const { activationBits, tableInputs } = params;
    const patches = params.batch * params.outHeight * params.outWidth * params.inChannels;
    const responses = (pixel: number): string =>
      `vec4i(${['x', 'y', 'z', 'w'].map((channel) => `entry(step, pixel + ${pixel}u, index.${channel})`).join(', ')})`;
    return {
      pixelWords: (tableInputs === 2 ? 64 : maxCodewords) / 4,
      channelWords: 1,
      scratchWords: patches,
      before: [
        {
          count: patches,
          code: `
${windowWgsl}
fn run(i: u32) {
  let window = window_of(i / u32(p.inChannels));
  var bits = 0u;
  for (var t = 0u; t < ${codewordTaps}u; t++) {
    let pixel = pixel_of(window, tap_at(t, 0u));
    if (pixel < 0) { continue; }
    let x = get_x(u32(pixel) * u32(p.inChannels) + i % u32(p.inChannels));
    for (var k = 0u; k < ${activationBits}u; k++) { bits |= extractBits(x, k, 1u) << (${codewordTaps - 1}u - t + ${codewordTaps}u * k); }
  }
  set_word_scratch(i, bits);
}`,
        },
      ],
      code: `
${layout('p.inChannels / p.groups')}
fn step_count() -> u32 { return group_indices(); }
fn tap_of(step: u32) -> Tap { return Tap(0, 0, 0, step * ${tableInputs}u); }
fn patch_of(window: Window, c: u32) -> u32 {
  let inputs = u32(p.inChannels / p.groups);
  if (c >= inputs) { return 0u; }
  return word_scratch(window.pixel * u32(p.inChannels) + channel_group * inputs + c);
}
fn response(taps: u32, codeword: u32) -> u32 {
  var sum = 0u;
  for (var k = 0u; k < ${activationBits}u; k++) {
    sum += countOneBits(extractBits(taps, ${codewordTaps}u * k, ${codewordTaps}u) & codeword) << k;
  }
  return sum;
}
fn codeword(i: u32) -> u32 { return extractBits(word_filter(i / 2u), 16u * (i & 1u), 16u); }
fn pixel_word(window: Window, tap: Tap, part: u32) -> vec2u {
  let first = patch_of(window, tap.piece);
  ${tableInputs === 2 ? 'let second = patch_of(window, tap.piece + 1u);' : ''}
  var word = 0u;
  for (var j = 0u; j < 4u; j++) {
    let i = 4u * part + j;
    word |= ${tableInputs === 2 ? '(response(first, codeword(i & 7u)) + response(second, codeword(i >> 3u)))' : 'response(first, codeword(i))'} << (8u * j);
  }
  let sum = response(first, ${numCodewords - 1}u)${tableInputs === 2 ? ` + response(second, ${numCodewords - 1}u)` : ''};
  return vec2u(word, select(0u, sum, part == 0u));
}
fn channel_word(n: u32, step: u32, tap: Tap, part: u32) -> u32 {
  let block = channel_group * group_blocks() + n / 64u;
  return get_filter(header_bytes + (block * group_indices() + step) * 64u + lane_of(n % 64u));
}
fn entry(step: u32, pixel: u32, index: u32) -> i32 {
  return i32(extractBits(pixel_at(step, index / 4u, pixel), 8u * (index & 3u), 8u));
}
fn multiply(step: u32, pixel: u32, channel: u32) {
  let index = channels4(step, 0u, channel);
  sums[0] += ${responses(0)};
  sums[1] += ${responses(1)};
  sums[2] += ${responses(2)};
  sums[3] += ${responses(3)};
}
fn product(sum: i32, window_sum: i32, k: u32) -> i32 {
  let straight = p.productFactor * sum - p.sumFactor * window_sum;
  return select(straight, -straight, word_filter(turned_start() / 4u + k) != 0u);
}`,
    };
  }),
);

export const codebookWgsl = [packCodebookWgsl, conv2dCodebookWgsl];
