/**
 * Dot products of bytes on a GPU (dot.ts), four at a time, by dot4U8Packed where the language has it.
 *
 * Its two operands have the same sign, ours do not. With 128 added to every weight both are unsigned, and what that adds is 128 times the
 * window's sum S, which the tile has anyway:
 *
 *     sum of x w = sum of x (w + 128) - 128 S
 *     w = 256 h + l + 128 of 16 bits:      256 sum of x (h + 128) + sum of x (l + 128) - 2^15 S          -(256 + 1) 128 + 128 = -2^15
 *
 * In memory a group's channels are quads already where they are a multiple of four; elsewhere (images of 3 channels) a quad is put together
 * from its bytes, which may be under several taps.
 */
import { defineWgsl } from '../../core/wgsl.js';
import { conv2dDot, packDot } from './dot.js';
import { fusedConvolution } from './fused-tile.wgsl.js';

const packDotWgsl = defineWgsl(packDot, ({ types: { packed }, params: { weightBits, zeroPoint } }) => {
  const byteOfLevel =
    zeroPoint > 0
      ? 'stored - p.zeroPoint'
      : weightBits === 8
        ? 'stored - 128'
        : '2 * stored - (1 << u32(p.weightBits)) + 1';
  const byteOf = weightBits === 16 ? 'select((stored & 255) - 128, stored >> 8u, plane == 0u)' : byteOfLevel;
  return [
    {
      count: packed!.shape[0]! / 4,
      code: `
fn run(i: u32) {
  let inputs = u32(p.taps * p.groupInputs);
  let quads = (inputs + 3u) / 4u;
  let group_outputs = u32(p.outChannels / p.groups);
  let group_blocks = (group_outputs + 15u) / 16u;
  let quad = i / 16u % quads;
  let plane = i / 16u / quads % ${weightBits === 16 ? 2 : 1}u;
  let block = i / 16u / quads / ${weightBits === 16 ? 2 : 1}u;
  let n = block % group_blocks * 16u + i % 16u;
  let k = block / group_blocks * group_outputs + n;
  var word = 0u;
  for (var j = 0u; j < 4u; j++) {
    let input = 4u * quad + j;
    if (n < group_outputs && input < inputs) {
      let stored = i32(get_filter(input * u32(p.outChannels) + k));
      word |= (u32(${byteOf}) & 255u) << (8u * j);
    }
  }
  set_word_packed(i, word);
}`,
    },
  ];
});

const packedDot = 'fn dot4(a: u32, b: u32) -> i32 { return i32(dot4U8Packed(a, b)); }';
const plainDot = `
fn dot4(a: u32, b: u32) -> i32 {
  return i32((a & 255u) * (b & 255u) + extractBits(a, 8u, 8u) * extractBits(b, 8u, 8u) + extractBits(a, 16u, 8u) * extractBits(b, 16u, 8u) + (a >> 24u) * (b >> 24u));
}`;

const alignedQuad = `
fn tap_of(step: u32) -> Tap {
  let inputs = u32(p.inChannels / p.groups);
  return tap_at(4u * step / inputs, 4u * step % inputs);
}
fn quad_of(window: Window, tap: Tap) -> u32 {
  let pixel = pixel_of(window, tap);
  if (pixel < 0) { return 0u; }
  let c = channel_group * u32(p.inChannels / p.groups) + tap.piece;
  return word_x((u32(pixel) * u32(p.inChannels) + c) / 4u);
}`;

/** `piece` is the first of the quad's inputs, counted through all taps. */
const looseQuad = `
fn tap_of(step: u32) -> Tap { return Tap(0, 0, 0, 4u * step); }
fn quad_of(window: Window, tap: Tap) -> u32 {
  let inputs = u32(p.inChannels / p.groups);
  var word = 0u;
  for (var j = 0u; j < 4u; j++) {
    let input = tap.piece + j;
    let index = input / inputs;
    if (index >= u32(p.kernelHeight * p.kernelWidth)) { break; }
    let pixel = pixel_of(window, tap_at(index, 0u));
    if (pixel >= 0) {
      word |= get_x(u32(pixel) * u32(p.inChannels) + channel_group * inputs + input % inputs) << (8u * j);
    }
  }
  return word;
}`;

const conv2dDotWgsl = defineWgsl(
  conv2dDot,
  fusedConvolution(({ params, hasPackedDot }) => {
    const { inChannels, groups, weightBits } = params;
    const planes = weightBits === 16 ? 2 : 1;
    const sumOf = (pixel: string): string => {
      const dots = (words: string): string =>
        `vec4i(${['x', 'y', 'z', 'w'].map((channel) => `dot4(${pixel}, ${words}.${channel})`).join(', ')})`;
      return planes === 1 ? dots('w') : `256 * ${dots('w')} + ${dots('lower')}`;
    };
    return {
      pixelWords: 1,
      channelWords: planes,
      code: `
${hasPackedDot ? packedDot : plainDot}
fn step_count() -> u32 { return u32(p.kernelHeight * p.kernelWidth * (p.inChannels / p.groups) + 3) / 4u; }
${(inChannels / groups) % 4 === 0 ? alignedQuad : looseQuad}
fn pixel_word(window: Window, tap: Tap, part: u32) -> vec2u {
  let quad = quad_of(window, tap);
  return vec2u(quad, u32(dot4(quad, 0x01010101u)));
}
fn channel_word(n: u32, step: u32, tap: Tap, part: u32) -> u32 {
  let group_blocks = u32(p.outChannels / p.groups + 15) / 16u;
  let block = channel_group * group_blocks + n / 16u;
  let quad = (block * ${planes}u + part) * step_count() + step;
  return word_filter(quad * 16u + n % 16u) ^ 0x80808080u;
}
fn multiply(step: u32, pixel: u32, channel: u32) {
  let a = pixels4(step, 0u, pixel);
  let w = channels4(step, 0u, channel);${planes === 1 ? '' : '\n  let lower = channels4(step, 1u, channel);'}
  sums[0] += ${sumOf('a.x')};
  sums[1] += ${sumOf('a.y')};
  sums[2] += ${sumOf('a.z')};
  sums[3] += ${sumOf('a.w')};
}
fn product(sum: i32, window_sum: i32, k: u32) -> i32 {
  return p.productFactor * (sum - ${planes === 1 ? 128 : 32768} * window_sum) - p.sumFactor * window_sum;
}`,
    };
  }),
);

export const dotWgsl = [packDotWgsl, conv2dDotWgsl];
