/**
 * Bit planes: weights and activations as planes of single bits, multiplied 32 and more at a time by counting the bits in
 * which they differ (DoReFa-Net 2.1, eq. 3; XNOR-Net 3.2).
 *
 *     P = sum_{m,k} 2^(m+k) popcount(w_m and a_k)        qw = sum_m 2^m w_m = the weight's level, qx = sum_k 2^k a_k
 *
 * Packed filter: output channels of each group in blocks of 16 (the last one filled up with zeros), numbered through all
 * groups. Integers are little-endian.
 *
 *     [block][16]                       i32    sum of the channel's levels over all taps and inputs
 *     [block][plane m][word][16]        u32    bit b of word v: plane m of the input whose window bit is 32 v + b
 *
 * The window bits of an output channel: tap by tap, the C / groups inputs of a tap from bit 0 of a byte on, so that each
 * tap has whole bytes; after the last tap zeros up to a multiple of 64 bits. In a block the words of its 16 channels lie
 * side by side, so one load has the same 32 inputs for a register of channels.
 *
 *     64 inputs, tap t:    word 2t     channel 0  channel 1  ..  channel 15      inputs 0 .. 31
 *                          word 2t+1   channel 0  channel 1  ..  channel 15      inputs 32 .. 63
 */
import { definePackedConv2d, definePackFilter, type FilterLayout, type PackedLayout } from './packed-conv2d.js';

const blockSize = 16;
const wordBytes = 4;
/** Bytes of window bits come in pairs of words. */
const pairBytes = 8;

function sizesOf({ taps, groupInputs, outChannels, groups, weightBits }: FilterLayout) {
  const groupOutputs = outChannels / groups;
  const groupBlocks = Math.ceil(groupOutputs / blockSize);
  const tapBytes = Math.ceil(groupInputs / 8);
  const planeBytes = Math.ceil((taps * tapBytes) / pairBytes) * pairBytes * blockSize;
  const sumBytes = groups * groupBlocks * blockSize * Int32Array.BYTES_PER_ELEMENT;
  return { groupOutputs, groupBlocks, tapBytes, planeBytes, sumBytes, blockBytes: weightBits * planeBytes };
}

/** The block of an output channel, and its lane there. */
function blockOf(outChannel: number, layout: FilterLayout): { block: number; lane: number } {
  const { groupOutputs, groupBlocks } = sizesOf(layout);
  const inGroup = outChannel % groupOutputs;
  const block = Math.floor(outChannel / groupOutputs) * groupBlocks + Math.floor(inGroup / blockSize);
  return { block, lane: inGroup % blockSize };
}

/** Where plane 0 of a weight is: a byte of the packed filter, and a bit of that byte. */
function bitOf(layout: FilterLayout, tap: number, channel: number, outChannel: number): { byte: number; bit: number } {
  const { tapBytes, sumBytes, blockBytes } = sizesOf(layout);
  const { block, lane } = blockOf(outChannel, layout);
  const windowByte = tap * tapBytes + Math.floor(channel / 8);
  const word = Math.floor(windowByte / wordBytes);
  const byte = sumBytes + block * blockBytes + (word * blockSize + lane) * wordBytes + (windowByte % wordBytes);
  return { byte, bit: channel % 8 };
}

const planesLayout: PackedLayout = {
  bytes(layout) {
    const { groupBlocks, sumBytes, blockBytes } = sizesOf(layout);
    return sumBytes + layout.groups * groupBlocks * blockBytes;
  },
  pack(filter, layout, packed) {
    const { taps, groupInputs, outChannels, weightBits } = layout;
    const { planeBytes } = sizesOf(layout);
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    for (let k = 0; k < outChannels; k++) {
      const { block, lane } = blockOf(k, layout);
      let sum = 0;
      for (let tap = 0; tap < taps; tap++)
        for (let c = 0; c < groupInputs; c++) {
          const level = filter[(tap * groupInputs + c) * outChannels + k]!;
          const { byte, bit } = bitOf(layout, tap, c, k);
          for (let m = 0; m < weightBits; m++) packed[byte + m * planeBytes]! |= ((level >> m) & 1) << bit;
          sum += level;
        }
      view.setInt32((block * blockSize + lane) * Int32Array.BYTES_PER_ELEMENT, sum, true);
    }
  },
  weightAt(packed, layout, tap, channel, outChannel) {
    const { planeBytes } = sizesOf(layout);
    const { byte, bit } = bitOf(layout, tap, channel, outChannel);
    let level = 0;
    for (let m = 0; m < layout.weightBits; m++) level |= ((packed[byte + m * planeBytes]! >> bit) & 1) << m;
    return level;
  },
};

/** filter u8 [KH, KW, C / groups, K] (bipolar levels) -> packed u8 */
export const packPlanes = definePackFilter('pack-planes', planesLayout);

/** productFactor must be even, as it is for bipolar weights: the kernel has 2 P. */
export const conv2dPlanes = definePackedConv2d('conv2d-planes', planesLayout);
