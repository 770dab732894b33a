/**
 * Dot products of bytes: activations of 8 bits (unsigned) times weights of 8 bits (signed), four at a time into 32-bit sums.
 *
 * Weight integers: 2q - max of bipolar levels up to 7 bits, q - 128 for 8 bits (2q - 255 does not fit into a byte), q - zero point
 * of levels with one. Weights of 16 bits, those of first and last layers (DoReFa-Net 2.7), are two bytes, multiplied as two planes.
 *
 * Packed filter: output channels of each group in blocks of 16 (the last one filled up with zeros), numbered through all
 * groups; the inputs of a window tap by tap, in quads (filled up with zeros at the end).
 *
 *     [block][quad][16][4]               s8    up to 8 bits
 *     [block][plane][quad][16][4]        s8    16 bits: weight = 256 * plane 0 + plane 1 + 128
 *
 * One load has the same four inputs for a register of channels:
 *
 *     quad     channel 0: inputs 0 1 2 3    channel 1: inputs 0 1 2 3   ..   channel 15: inputs 0 1 2 3
 */
import { definePackedConv2d, definePackFilter, type FilterLayout, type PackedLayout } from './packed-conv2d.js';

const blockSize = 16;
const quadSize = 4;

function sizesOf({ taps, groupInputs, outChannels, groups, weightBits }: FilterLayout) {
  const groupOutputs = outChannels / groups;
  const groupBlocks = Math.ceil(groupOutputs / blockSize);
  const planeBytes = Math.ceil((taps * groupInputs) / quadSize) * quadSize * blockSize;
  return { groupOutputs, groupBlocks, planeBytes, blockBytes: planeBytes * (weightBits === 16 ? 2 : 1) };
}

/** The byte of a weight in the first plane. */
function byteOf(layout: FilterLayout, tap: number, channel: number, outChannel: number): number {
  const { groupOutputs, groupBlocks, blockBytes } = sizesOf(layout);
  const inGroup = outChannel % groupOutputs;
  const block = Math.floor(outChannel / groupOutputs) * groupBlocks + Math.floor(inGroup / blockSize);
  const input = tap * layout.groupInputs + channel;
  const quad = Math.floor(input / quadSize);
  return block * blockBytes + (quad * blockSize + (inGroup % blockSize)) * quadSize + (input % quadSize);
}

/** The signed byte that holds the weight of a level. */
function weightOfLevel(level: number, weightBits: number, zeroPoint: number): number {
  if (zeroPoint > 0) return level - zeroPoint;
  return weightBits === 8 ? level - 128 : 2 * level - (2 ** weightBits - 1);
}

const signed = (byte: number): number => (byte << 24) >> 24;

const dotLayout: PackedLayout = {
  bytes(layout) {
    const { groupBlocks, blockBytes } = sizesOf(layout);
    return layout.groups * groupBlocks * blockBytes;
  },
  pack(filter, layout, packed, { zeroPoint }) {
    const { taps, groupInputs, outChannels, weightBits } = layout;
    const { planeBytes } = sizesOf(layout);
    for (let tap = 0; tap < taps; tap++)
      for (let c = 0; c < groupInputs; c++)
        for (let k = 0; k < outChannels; k++) {
          const stored = filter[(tap * groupInputs + c) * outChannels + k]!;
          const byte = byteOf(layout, tap, c, k);
          if (weightBits === 16) {
            packed[byte] = stored >> 8;
            packed[byte + planeBytes] = (stored & 255) - 128;
          } else {
            packed[byte] = weightOfLevel(stored, weightBits, zeroPoint);
          }
        }
  },
  weightAt(packed, layout, tap, channel, outChannel) {
    const byte = byteOf(layout, tap, channel, outChannel);
    const high = signed(packed[byte]!);
    if (layout.weightBits !== 16) return high;
    return 256 * high + signed(packed[byte + sizesOf(layout).planeBytes]!) + 128;
  },
};

/** filter u8 [KH, KW, C / groups, K] (levels), or i16 for weightBits 16 -> packed u8 */
export const packDot = definePackFilter('pack-dot', dotLayout);

export const conv2dDot = definePackedConv2d('conv2d-dot', dotLayout);
