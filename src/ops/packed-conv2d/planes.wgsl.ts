/**
 * Bit planes on a GPU (planes.ts): words of 32 inputs, multiplied by counting the bits that both have.
 *
 * The activations' bits are packed once for each call, in scratch: a word for 32 channels of a pixel's group, planes side by side
 *
 *     [pixel][group][word][plane]      channels that there are not have bits 0, and whatever the filter's word has beside them does not count
 *
 * A tap of the packed filter has whole bytes, so a word of it may begin inside one word and end in the next.
 */
import { defineWgsl, type WgslPass } from '../../core/wgsl.js';
import { fusedConvolution } from './fused-tile.wgsl.js';
import type { PackedConv2dParams } from './packed-conv2d.js';
import { conv2dPlanes, packPlanes } from './planes.js';

/** What both ops have in their params under names of their own. */
const layout = (taps: string, groupInputs: string): string => `
fn tap_bytes() -> u32 { return u32(${groupInputs} + 7) / 8u; }
fn plane_words() -> u32 { return (u32(${taps}) * tap_bytes() + 7u) / 8u * 2u; }
fn group_blocks() -> u32 { return u32(p.outChannels / p.groups + 15) / 16u; }
fn sum_words() -> u32 { return u32(p.groups) * group_blocks() * 16u; }`;

const packPlanesWgsl = defineWgsl(packPlanes, ({ types: { packed } }) => [
  {
    count: packed!.shape[0]! / 4,
    code: `
${layout('p.taps', 'p.groupInputs')}
fn run(i: u32) {
  let sums = sum_words();
  let lane = i % 16u;
  let row = select((i - sums) / 16u, i / 16u, i < sums);
  let block = select(row / plane_words() / u32(p.weightBits), row, i < sums);
  let n = block % group_blocks() * 16u + lane;
  let group_outputs = u32(p.outChannels / p.groups);
  let inputs = u32(p.groupInputs);
  let channels = u32(p.outChannels);
  if (n >= group_outputs) { set_word_packed(i, 0u); return; }
  let k = block / group_blocks() * group_outputs + n;
  var word = 0u;
  if (i < sums) {
    for (var input = 0u; input < u32(p.taps) * inputs; input++) { word += get_filter(input * channels + k); }
    set_word_packed(i, word);
    return;
  }
  let plane = row / plane_words() % u32(p.weightBits);
  for (var bit = 0u; bit < 32u; bit++) {
    let byte = row % plane_words() * 4u + bit / 8u;
    let c = byte % tap_bytes() * 8u + bit % 8u;
    let tap = byte / tap_bytes();
    if (c < inputs && tap < u32(p.taps)) {
      word |= extractBits(get_filter((tap * inputs + c) * channels + k), plane, 1u) << bit;
    }
  }
  set_word_packed(i, word);
}`,
  },
]);

const wordsOf = (p: PackedConv2dParams): number => Math.ceil(p.inChannels / p.groups / 32);

/** One invocation for each word of a pixel's group: it reads 32 bytes and writes their planes. */
function packActivations(p: PackedConv2dParams): WgslPass {
  const isAligned = (p.inChannels / p.groups) % 4 === 0;
  const four = isAligned
    ? 'word_x((first + c) / 4u)'
    : 'get_x(first + c) | (get_x(first + c + 1u) << 8u) | (get_x(first + c + 2u) << 16u) | (get_x(first + c + 3u) << 24u)';
  return {
    count: p.batch * p.height * p.width * p.groups * wordsOf(p),
    code: `
fn run(i: u32) {
  let inputs = u32(p.inChannels / p.groups);
  let words = (inputs + 31u) / 32u;
  let from_channel = i % words * 32u;
  let first = i / words * inputs + from_channel;
  let count = min(inputs - from_channel, 32u);
  var planes: array<u32, ${p.activationBits}>;
  for (var c = 0u; c < count; c += 4u) {
    var bytes = ${four};
    if (count - c < 4u) { bytes = extractBits(bytes, 0u, 8u * (count - c)); }
    // The lowest bits of four bytes side by side: none of the products' other bits carries into them.
    for (var plane = 0u; plane < ${p.activationBits}u; plane++) {
      planes[plane] |= (((((bytes >> plane) & 0x01010101u) * 0x01020408u) >> 24u) & 15u) << c;
    }
  }
  for (var plane = 0u; plane < ${p.activationBits}u; plane++) { set_word_scratch(i * ${p.activationBits}u + plane, planes[plane]); }
}`,
  };
}

const conv2dPlanesWgsl = defineWgsl(
  conv2dPlanes,
  fusedConvolution(({ params }) => {
    const before = packActivations(params);
    const { weightBits, activationBits } = params;
    return {
      pixelWords: activationBits,
      channelWords: weightBits,
      before: [before],
      scratchWords: before.count * activationBits,
      code: `
${layout('p.kernelHeight * p.kernelWidth', 'p.inChannels / p.groups')}
fn tap_words() -> u32 { return u32(p.inChannels / p.groups + 31) / 32u; }
fn step_count() -> u32 { return u32(p.kernelHeight * p.kernelWidth) * tap_words(); }
fn tap_of(step: u32) -> Tap { return tap_at(step / tap_words(), step % tap_words()); }
fn pixel_word(window: Window, tap: Tap, part: u32) -> vec2u {
  let pixel = pixel_of(window, tap);
  if (pixel < 0) { return vec2u(); }
  let at = (u32(pixel) * u32(p.groups) + channel_group) * tap_words() + tap.piece;
  let word = word_scratch(at * ${activationBits}u + part);
  return vec2u(word, countOneBits(word) << part);
}
fn channel_word(n: u32, step: u32, tap: Tap, part: u32) -> u32 {
  let block = channel_group * group_blocks() + n / 16u;
  let plane = sum_words() + (block * ${weightBits}u + part) * plane_words() * 16u;
  let byte = u32(tap.index) * tap_bytes() + 4u * tap.piece;
  let word = byte / 4u;
  let shift = 8u * (byte % 4u);
  let at = plane + word * 16u + n % 16u;
  if (shift == 0u) { return word_filter(at); }
  var next = 0u;
  if (word + 1u < plane_words()) { next = word_filter(at + 16u); }
  return (word_filter(at) >> shift) | (next << (32u - shift));
}
fn multiply(step: u32, pixel: u32, channel: u32) {
  for (var m = 0u; m < ${weightBits}u; m++) {
    let w = channels4(step, m, channel);
    for (var k = 0u; k < ${activationBits}u; k++) {
      let a = pixels4(step, k, pixel);
      let shift = vec4u(m + k);
      sums[0] += vec4i(countOneBits(vec4u(a.x) & w) << shift);
      sums[1] += vec4i(countOneBits(vec4u(a.y) & w) << shift);
      sums[2] += vec4i(countOneBits(vec4u(a.z) & w) << shift);
      sums[3] += vec4i(countOneBits(vec4u(a.w) & w) << shift);
    }
  }
}
fn product(sum: i32, window_sum: i32, k: u32) -> i32 { return p.productFactor * sum - p.sumFactor * window_sum; }`,
    };
  }),
);

export const planesWgsl = [packPlanesWgsl, conv2dPlanesWgsl];
