/**
 * Fused convolutions on a GPU: one tile for all kernel families (packed-conv2d.ts has what they compute).
 *
 * A group of invocations makes a tile of output pixels x output channels. The depth, taps times pieces of a tap's inputs (a word of
 * bits, a quad of bytes, a table ..), goes through memory that the group shares, a few steps at a time: each step is a few words for each
 * pixel and a few for each channel, and a word that was read serves all channels or pixels of the tile. Sums of 4 pixels x 4 channels stay in
 * the registers of an invocation, up to the epilogue.
 *
 *     tile     64 pixels x 32 channels, 128 invocations of 4x4; as many steps at a time, up to 8, as 12 KiB hold
 *
 * The window's sum S falls out of the loading: what each word of a pixel adds to it is counted where the word is read.
 *
 * Levels and halves are written as words. Where a group's channels are no whole words the tile leaves accumulators in scratch, and a
 * second pass has the epilogue.
 */
import type { DType } from '../../core/tensor.js';
import type { WgslCall, WgslKernel, WgslPass } from '../../core/wgsl.js';
import { eachElement, elementsPerWord } from '../elements.wgsl.js';
import { epilogueWgsl } from './epilogue.wgsl.js';
import type { PackedConv2dParams, packedConv2dParams } from './packed-conv2d.js';

type ConvCall = WgslCall<typeof packedConv2dParams>;

const tilePixels = 64;
const tileChannels = 32;
const perLane = 4;
const lanesAcross = tileChannels / perLane;
const lanes = lanesAcross * (tilePixels / perLane);
/** Invocations side by side that read one pixel's words. */
const loadersOfPixel = 8;
const pixelsPerLoader = (tilePixels * loadersOfPixel) / lanes;
/** From a word of a pixel's to the next one: neighbours that read one pixel's words write them to different banks. */
const pixelStride = tilePixels + 4;
const mostSteps = 8;
/** For the words of both operands; the rest of 16 KiB is for what is known of the pixels. */
const sharedWords = 3072;

export interface TileFamily {
  /** Words of a step for each pixel, and for each output channel. */
  readonly pixelWords: number;
  readonly channelWords: number;
  /**
   * WGSL, with `Tap` below:
   *
   *     fn step_count() -> u32
   *     fn tap_of(step: u32) -> Tap                                which tap, and which piece of its inputs
   *     fn pixel_word(window: Window, tap: Tap, part: u32) -> vec2u          a word, and what it adds to the window's sum S
   *     fn channel_word(n: u32, step: u32, tap: Tap, part: u32) -> u32       of channel n of the group `channel_group`
   *     fn multiply(step: u32, pixel: u32, channel: u32)           adds a step's 4x4 products to `sums`
   *     fn product(p: i32, s: i32, k: u32) -> i32                  productFactor * P - sumFactor * S
   *
   * `pixels4(step, part, pixel)` and `channels4(step, part, channel)` are four neighbours' words, `pixel_at` one's.
   */
  readonly code: string;
  /** What runs before, and the words of scratch that it fills from the start. */
  readonly before?: readonly WgslPass[];
  readonly scratchWords?: number;
}

/** The kernel of a family's fused op. */
export function fusedConvolution(familyOf: (call: ConvCall) => TileFamily): WgslKernel<typeof packedConv2dParams> {
  return {
    scratchBytes(call) {
      const { params, types } = call;
      const accumulators = isWhole(params, types.y!.dtype) ? 0 : outputsOf(params);
      return 4 * ((familyOf(call).scratchWords ?? 0) + accumulators);
    },
    passes(call) {
      const { params, types } = call;
      const family = familyOf(call);
      const dtype = types.y!.dtype;
      const passes = [...(family.before ?? []), tilePass(family, call)];
      if (isWhole(params, dtype)) return passes;
      const code = `
${windowWgsl}
${epilogueWgsl(call)}
fn bits(i: u32) -> u32 {
  return u32(finish(bitcast<i32>(word_scratch(${family.scratchWords ?? 0}u + i)), i % u32(p.outChannels), i));
}`;
      return [...passes, eachElement('y', dtype, outputsOf(params), code)];
    },
  };
}

const outputsOf = (p: PackedConv2dParams): number => p.batch * p.outHeight * p.outWidth * p.outChannels;
/** Whether the outputs of a group are whole words. */
const isWhole = (p: PackedConv2dParams, dtype: DType): boolean =>
  (p.outChannels / p.groups) % elementsPerWord[dtype] === 0;

/** Of output pixels: where in the image a window's first tap is, and the first of its image's rows among all. Of taps: how far they are from the first. */
export const windowWgsl = `
struct Window { row: i32, column: i32, image: i32, pixel: u32, }
struct Tap { index: i32, row: i32, column: i32, piece: u32, }
fn window_of(pixel: u32) -> Window {
  let m = i32(pixel);
  let image_row = m / p.outWidth;
  return Window(
    image_row % p.outHeight * p.stride - p.padTop,
    m % p.outWidth * p.stride - p.padLeft,
    image_row / p.outHeight * p.height,
    pixel,
  );
}
fn tap_at(index: u32, piece: u32) -> Tap {
  let t = i32(index);
  return Tap(t, t / p.kernelWidth * p.dilation, t % p.kernelWidth * p.dilation, piece);
}
// The pixel under a tap, counted through all images; -1 beside the image.
fn pixel_of(window: Window, tap: Tap) -> i32 {
  let h = window.row + tap.row;
  let w = window.column + tap.column;
  return select(-1, (window.image + h) * p.width + w, h >= 0 && h < p.height && w >= 0 && w < p.width);
}`;

function tilePass({ pixelWords, channelWords, code, scratchWords = 0 }: TileFamily, call: ConvCall): WgslPass {
  const { params, types } = call;
  const stepWords = pixelWords * pixelStride + channelWords * tileChannels;
  let steps = mostSteps;
  while (steps > 1 && steps * stepWords > sharedWords) steps /= 2;
  const channelsFrom = steps * pixelWords * pixelStride;
  const groupOutputs = params.outChannels / params.groups;
  const pixels = params.batch * params.outHeight * params.outWidth;
  const four = [0, 1, 2, 3];
  return {
    lanes,
    count: Math.ceil(groupOutputs / tileChannels) * Math.ceil(pixels / tilePixels) * params.groups,
    code: `
${windowWgsl}
var<workgroup> windows: array<Window, ${tilePixels}>;
var<workgroup> window_sums: array<u32, ${pixelStride * loadersOfPixel}>;
var<workgroup> words: array<u32, ${Math.max(steps * stepWords, tilePixels * tileChannels)}>;
var<private> sums: array<vec4i, ${perLane}>;
var<private> channel_group: u32;
fn pixel_at(step: u32, part: u32, pixel: u32) -> u32 {
  return words[(step * ${pixelWords}u + part) * ${pixelStride}u + pixel];
}
fn pixels4(step: u32, part: u32, pixel: u32) -> vec4u {
  let at = (step * ${pixelWords}u + part) * ${pixelStride}u + pixel;
  return vec4u(${four.map((i) => `words[at + ${i}u]`).join(', ')});
}
fn channels4(step: u32, part: u32, channel: u32) -> vec4u {
  let at = ${channelsFrom}u + (step * ${channelWords}u + part) * ${tileChannels}u + channel;
  return vec4u(${four.map((i) => `words[at + ${i}u]`).join(', ')});
}
${code}
${epilogueWgsl(call)}
fn run(group: u32, lane: u32) {
  let group_outputs = u32(p.outChannels / p.groups);
  let pixel_count = u32(p.batch * p.outHeight * p.outWidth);
  let across = (group_outputs + ${tileChannels - 1}u) / ${tileChannels}u;
  let down = (pixel_count + ${tilePixels - 1}u) / ${tilePixels}u;
  let first_channel = group % across * ${tileChannels}u;
  let first_pixel = group / across % down * ${tilePixels}u;
  channel_group = group / across / down;
  if (lane < ${tilePixels}u) { windows[lane] = window_of(first_pixel + lane); }
  let loaded_pixel = lane / ${loadersOfPixel}u;
  let loaded_channel = lane % ${tileChannels}u;
  let has_channel = first_channel + loaded_channel < group_outputs;
  var added: array<u32, ${pixelsPerLoader}>;
  let own_pixel = lane / ${lanesAcross}u * ${perLane}u;
  let own_channel = lane % ${lanesAcross}u * ${perLane}u;
  let all_steps = step_count();
  for (var first = 0u; first < all_steps; first += ${steps}u) {
    workgroupBarrier();
    for (var i = lane % ${loadersOfPixel}u; i < ${steps * pixelWords}u; i += ${loadersOfPixel}u) {
      let step = first + i / ${pixelWords}u;
      let tap = tap_of(step);
      for (var j = 0u; j < ${pixelsPerLoader}u; j++) {
        let pixel = loaded_pixel + j * ${tilePixels / pixelsPerLoader}u;
        var word = vec2u();
        if (step < all_steps && first_pixel + pixel < pixel_count) {
          word = pixel_word(windows[pixel], tap, i % ${pixelWords}u);
        }
        words[i * ${pixelStride}u + pixel] = word.x;
        added[j] += word.y;
      }
    }
    for (var i = lane / ${tileChannels}u; i < ${steps * channelWords}u; i += ${lanes / tileChannels}u) {
      let step = first + i / ${channelWords}u;
      var word = 0u;
      if (step < all_steps && has_channel) {
        word = channel_word(first_channel + loaded_channel, step, tap_of(step), i % ${channelWords}u);
      }
      words[${channelsFrom}u + i * ${tileChannels}u + loaded_channel] = word;
    }
    workgroupBarrier();
    for (var step = 0u; step < ${steps}u; step++) { multiply(step, own_pixel, own_channel); }
  }
  workgroupBarrier();
  for (var j = 0u; j < ${pixelsPerLoader}u; j++) {
    let pixel = loaded_pixel + j * ${tilePixels / pixelsPerLoader}u;
    window_sums[lane % ${loadersOfPixel}u * ${pixelStride}u + pixel] = added[j];
  }
  let own = own_pixel * ${tileChannels}u + own_channel;
${four.flatMap((i) => four.map((j) => `  words[own + ${i * tileChannels + j}u] = u32(sums[${i}][${j}]);`)).join('\n')}
  workgroupBarrier();
  if (lane < ${tilePixels}u) {
    for (var j = 1u; j < ${loadersOfPixel}u; j++) { window_sums[lane] += window_sums[j * ${pixelStride}u + lane]; }
  }
  workgroupBarrier();
${storeOf(types.y!.dtype, isWhole(params, types.y!.dtype), scratchWords)}
}`,
  };
}

/** What becomes of the tile's sums in `words`: neighbouring invocations write neighbouring words. */
function storeOf(dtype: DType, whole: boolean, scratchWords: number): string {
  const perWord = whole ? elementsPerWord[dtype] : 1;
  const across = tileChannels / perWord;
  const value = `product(i32(words[sum_at + j]), i32(window_sums[pixel]), k + j)`;
  const result = whole ? `u32(finish(${value}, k + j, at + j))` : `u32(${value})`;
  return `
  for (var i = lane; i < ${tilePixels * across}u; i += ${lanes}u) {
    let pixel = i / ${across}u;
    let n = first_channel + i % ${across}u * ${perWord}u;
    if (first_pixel + pixel >= pixel_count || n >= group_outputs) { continue; }
    let k = channel_group * group_outputs + n;
    let at = (first_pixel + pixel) * u32(p.outChannels) + k;
    let sum_at = i * ${perWord}u;
    var word = 0u;
    for (var j = 0u; j < ${perWord}u; j++) {
      word = insertBits(word, ${result}, ${32 / perWord}u * j, ${32 / perWord}u);
    }
    ${whole ? `set_word_y(at / ${perWord}u, word);` : `set_word_scratch(${scratchWords}u + at, word);`}
  }`;
}
