/**
 * Look-up tables: the subset sums of a few activations of a pixel are computed once, and serve every tap and every output
 * channel, whose weights for these inputs (one bit of each) are an index into the table.
 *
 *     P = sum_m 2^m sum over taps and groups of `tableInputs` channels of table[index_m]        table[i] = sum of qx where i has a bit
 *
 * The activations' bits hardly matter; each bit of the weights costs a look-up. `tableInputs` is what a register can hold the
 * table of: 6 where an instruction looks up 64 bytes (AVX-512 VBMI), 4 elsewhere.
 *
 * Packed filter: output channels of each group in blocks of 64, the last one filled up with zeros, numbered through all
 * groups. A byte is an index: bit b is bit m of the weight of input tableInputs * table + b of the tap; inputs that do not
 * exist have weight 0.
 *
 *     [block][plane m][tap][table][lane]        u8, 64 lanes
 *
 *     lane      0   1   2   3  ..  62  63       even lanes hold the first half of the block's channels, odd ones the second:
 *     channel   0  32   1  33  ..  31  63       their byte sums become 16-bit sums by a mask and a shift
 */
import { definePackedConv2d, definePackFilter, type FilterLayout, type PackedLayout } from './packed-conv2d.js';

const blockSize = 64;

function sizesOf({ taps, groupInputs, outChannels, groups, weightBits, tableInputs }: FilterLayout) {
  const groupOutputs = outChannels / groups;
  const groupBlocks = Math.ceil(groupOutputs / blockSize);
  const tables = Math.ceil(groupInputs / tableInputs);
  const planeBytes = taps * tables * blockSize;
  return { groupOutputs, groupBlocks, tables, planeBytes, blockBytes: weightBits * planeBytes };
}

/** The lane of a block's channel. */
export function laneOf(channel: number): number {
  const half = blockSize / 2;
  return channel < half ? 2 * channel : 2 * (channel - half) + 1;
}

/** Where plane 0 of a weight is: a byte of the packed filter, and a bit of that byte. */
function bitOf(layout: FilterLayout, tap: number, channel: number, outChannel: number): { byte: number; bit: number } {
  const { groupOutputs, groupBlocks, tables, blockBytes } = sizesOf(layout);
  const inGroup = outChannel % groupOutputs;
  const block = Math.floor(outChannel / groupOutputs) * groupBlocks + Math.floor(inGroup / blockSize);
  const table = tap * tables + Math.floor(channel / layout.tableInputs);
  return {
    byte: block * blockBytes + table * blockSize + laneOf(inGroup % blockSize),
    bit: channel % layout.tableInputs,
  };
}

const tablesLayout: PackedLayout = {
  bytes(layout) {
    const { groupBlocks, blockBytes } = sizesOf(layout);
    return layout.groups * groupBlocks * blockBytes;
  },
  pack(filter, layout, packed) {
    const { taps, groupInputs, outChannels, weightBits } = layout;
    const { planeBytes } = sizesOf(layout);
    for (let k = 0; k < outChannels; k++)
      for (let tap = 0; tap < taps; tap++)
        for (let c = 0; c < groupInputs; c++) {
          const level = filter[(tap * groupInputs + c) * outChannels + k]!;
          const { byte, bit } = bitOf(layout, tap, c, k);
          for (let m = 0; m < weightBits; m++) packed[byte + m * planeBytes]! |= ((level >> m) & 1) << bit;
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

/** filter u8 [KH, KW, C / groups, K] (levels) -> packed u8; tableInputs 4 or 6 */
export const packTables = definePackFilter('pack-tables', tablesLayout);

/** A row of the filter may have up to 728 taps: their sum of six 4-bit levels each fits 16 bits. */
export const conv2dTables = definePackedConv2d('conv2d-tables', tablesLayout);
