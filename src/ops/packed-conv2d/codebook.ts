/**
 * A codebook: filters of 1 bit and 3x3 taps whose patterns, one per input and output channel, are few *codewords*. What a codeword
 * gives on a 3x3 patch of one input channel, its *response*, is computed once (for every patch that there can be) and serves
 * all output channels that use it, whose index of a codeword is nine weights.
 *
 *     P = sum_k 2^k sum over channels c of R[patch of plane k of c][index of c]          R[p][i] = popcount(p and codeword_i)
 *
 * `tableInputs` is how many input channels an index is for: 1, or 2 where at most 8 codewords leave room for pairs in a table
 * of 64 responses.
 *
 * Packed filter: output channels of each group in blocks of 64, the last one filled up with zeros, numbered through all
 * groups. Codewords are numbers of 9 bits, the taps row by row from the most significant one, bit 1 for +1; in rising order.
 *
 *     [64]                       u16   codewords, little-endian; 65535 where there are no more
 *     [block][index][lane]       u8    position of the channel's codeword; of two channels: first + 8 * second
 *     [K]                        i32   little-endian; -1 where the output channel is turned, its weights being the complements of
 *                                      its codewords, else 0
 *
 * What a turned channel sums is minus what it would sum otherwise, because productFactor is twice sumFactor:
 * productFactor * (S - P) - sumFactor * S = -(productFactor * P - sumFactor * S). So turning costs nothing before the epilogue.
 *
 * Lanes are the tables' (tables.ts): even ones the first half of the block's channels, odd ones the second.
 */
import { SubbitError } from '../../util/errors.js';
import { codewordAt, codewordTaps, distinctCodewords, isPositive } from '../codewords.js';
import { definePackedConv2d, definePackFilter, type FilterLayout, type PackedLayout } from './packed-conv2d.js';
import { laneOf } from './tables.js';

/** Most codewords of a filter. */
export const maxCodewords = 64;
/** Most where an index is for two channels. */
export const maxPairedCodewords = 8;

const blockSize = 64;
const headerBytes = 2 * maxCodewords;
const noCodeword = 0xffff;

function sizesOf({ groupInputs, outChannels, groups, tableInputs }: FilterLayout) {
  const groupOutputs = outChannels / groups;
  const groupBlocks = Math.ceil(groupOutputs / blockSize);
  const blockBytes = Math.ceil(groupInputs / tableInputs) * blockSize;
  const turnedStart = headerBytes + groups * groupBlocks * blockBytes;
  return { groupOutputs, groupBlocks, blockBytes, turnedStart };
}

/**
 * The codewords of a filter [3, 3, C / groups, K] of levels 0 and 1, in rising order; undefined if they are more than `most`.
 * `channels` is how many pairs of an input and an output channel it has.
 */
export function codewordsOf(filter: ArrayLike<number>, channels: number, most: number): number[] | undefined {
  const found = distinctCodewords(filter, channels, most);
  return found.size <= most ? [...found].sort((a, b) => a - b) : undefined;
}

/** Where the index of a weight's codeword is: a byte of the packed filter, and its lowest bit there. */
function indexOf(layout: FilterLayout, channel: number, outChannel: number): { byte: number; shift: number } {
  const { groupOutputs, groupBlocks, blockBytes } = sizesOf(layout);
  const inGroup = outChannel % groupOutputs;
  const block = Math.floor(outChannel / groupOutputs) * groupBlocks + Math.floor(inGroup / blockSize);
  const index = Math.floor(channel / layout.tableInputs);
  return {
    byte: headerBytes + block * blockBytes + index * blockSize + laneOf(inGroup % blockSize),
    shift: 3 * (channel % layout.tableInputs),
  };
}

const codebookLayout: PackedLayout = {
  bytes(layout) {
    return sizesOf(layout).turnedStart + Int32Array.BYTES_PER_ELEMENT * layout.outChannels;
  },
  pack(filter, layout, packed, { signs }) {
    const { taps, groupInputs, outChannels, tableInputs } = layout;
    if (taps !== codewordTaps) throw new SubbitError(`codewords have ${codewordTaps} taps, this filter ${taps}`);
    const most = tableInputs === 1 ? maxCodewords : maxPairedCodewords;
    const channels = groupInputs * outChannels;
    const codewords = codewordsOf(filter, channels, most);
    if (codewords === undefined) throw new SubbitError(`a filter of more than ${most} codewords is not for a codebook`);
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    for (let i = 0; i < maxCodewords; i++) view.setUint16(2 * i, codewords[i] ?? noCodeword, true);
    const { turnedStart } = sizesOf(layout);
    for (let k = 0; k < outChannels; k++)
      view.setInt32(turnedStart + Int32Array.BYTES_PER_ELEMENT * k, signs?.[k] === 0 ? -1 : 0, true);
    for (let c = 0; c < groupInputs; c++)
      for (let k = 0; k < outChannels; k++) {
        const { byte, shift } = indexOf(layout, c, k);
        const position = codewords.indexOf(codewordAt(filter, channels, c * outChannels + k));
        packed[byte] = packed[byte]! | (position << shift);
      }
  },
  weightAt(packed, layout, tap, channel, outChannel) {
    const { byte, shift } = indexOf(layout, channel, outChannel);
    const position = layout.tableInputs === 1 ? packed[byte]! : (packed[byte]! >> shift) & 7;
    const codeword = packed[2 * position]! + 256 * packed[2 * position + 1]!;
    const isTurned = packed[sizesOf(layout).turnedStart + Int32Array.BYTES_PER_ELEMENT * outChannel] !== 0;
    return isPositive(codeword, tap) === isTurned ? 0 : 1;
  },
};

/** filter u8 [3, 3, C / groups, K] (bipolar levels of 1 bit, few codewords), signs u8 [K] -> packed u8; tableInputs 1 or 2 */
export const packCodebook = definePackFilter('pack-codebook', codebookLayout, { takesSigns: true });

/** Takes activations of 1 and 2 bits. */
export const conv2dCodebook = definePackedConv2d('conv2d-codebook', codebookLayout);
