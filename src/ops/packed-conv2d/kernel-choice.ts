/**
 * Which kernel family multiplies fastest, by bits, shape and instruction set: a short table with the measured reasons beside
 * it. `subbit bench --tune` measures again on the user's machine.
 */

import { codewordTaps } from '../codewords.js';
import { maxCodewords, maxPairedCodewords } from './codebook.js';
import type { FamilyName } from './families.js';

/** 'plain' is `integer-conv2d` itself. */
export type KernelName = FamilyName | 'plain';

/** What a choice depends on. */
export interface ConvolutionKind {
  /** 1 .. 8, or 16 for i16 filters. */
  readonly weightBits: number;
  /** Of weights that are levels with a zero; absent where they are bipolar. */
  readonly zeroPoint?: number;
  readonly activationBits: number;
  /** Channels of one group. */
  readonly groupInputs: number;
  readonly groupOutputs: number;
  readonly taps: number;
  /** Output pixels of the whole batch. */
  readonly pixels: number;
  /** Distinct patterns of a 3x3 filter of 1 bit, where they are known and few. */
  readonly codewords?: number;
}

/**
 * Input channels per index of a family: of tables as many as have 64 subset sums where a register holds these, 16 elsewhere; of
 * a codebook two where their pairs of codewords fit a register.
 */
export function tableInputsOf(name: FamilyName, codewords: number | undefined, isa: string): number {
  if (name === 'tables') return isa === 'avx512' ? 6 : 4;
  if (name === 'codebook') return isa === 'avx512' && codewords! <= maxPairedCodewords ? 2 : 1;
  return 0;
}

/**
 * Measured on a Zen 5 core, microseconds of a 3x3 layer (planes / tables / dot):
 *
 *     avx512    1-1  64 channels 18 / 31 / 59      1-2  48 channels 16 / 11 / 15      2-1  64 channels 29 / 48 / 59
 *     avx512    1-2  16 channels 25 / 21 / 11      1-2  32 channels 7.8 / 6.8 / 6.6   2-2  64 channels 80 / 52 / 60
 *     avx2      1-1  64 channels 102 / 47 / 152    2-2  64 channels 283 / 109 / 155   2-2  32 channels 34 / 22 / 16
 *     simd128   1-2  16 channels 74 / 83 / 74      1-2  32 channels 39 / 31 / 64
 *
 * More than 4 bits of activations are two tables and two look-ups, which pay where many channels share them (Zen 4, microseconds, tables / dot):
 *
 *     avx512    1-8  64 channels 651 / 554      128 channels 467 / 549      256 channels 379 / 519      512 channels 377 / 541
 */
export function chooseKernel(kind: ConvolutionKind, isa: string): KernelName {
  const { weightBits, zeroPoint, activationBits, groupInputs, groupOutputs } = kind;
  // One output channel per group leaves nothing to share between channels.
  if (groupOutputs === 1) return 'plain';
  if (isa === 'wgsl') return chooseOnGpu(kind);
  if (codebookPays(kind, isa)) return 'codebook';
  // Short sums do not pay for packing; and 16-bit weights are dot's alone.
  if (weightBits === 16 || groupInputs < 32) return 'dot';
  // Planes count the bits in which operands differ, which gives bipolar weights alone.
  if (isa === 'avx512' && activationBits === 1 && weightBits <= 3 && zeroPoint === undefined) return 'planes';
  if (weightBits === 1) {
    const pays = isa === 'avx512' && groupInputs >= 128 && groupOutputs >= 128;
    return activationBits <= 4 || pays ? 'tables' : 'dot';
  }
  return weightBits * activationBits <= 4 && groupInputs >= 64 ? 'tables' : 'dot';
}

/**
 * On a GPU, by counting: for 32 inputs planes take three operations (and, count, add) for each pair of planes, dot two (product, add) for
 * each of eight quads; look-ups in shared memory, four inputs or nine taps at a time, have no instruction of their own there. Nobody has measured this on a card.
 */
function chooseOnGpu({ weightBits, zeroPoint, activationBits, groupInputs }: ConvolutionKind): KernelName {
  if (weightBits === 16 || zeroPoint !== undefined) return 'dot';
  const planes = 3 * weightBits * activationBits * Math.ceil(groupInputs / 32);
  return planes <= 2 * Math.ceil(groupInputs / 4) ? 'planes' : 'dot';
}

/**
 * Where few patterns are worth a codebook, beside the best of the dense kernels (GMAC/s of a 3x3 layer, dense / 64, 16, 8 codewords):
 *
 *     avx512    1-1  64 channels 1525 / 1141, 1166, 1435    128 channels 2021 / 2146, 2287, 2695    256 channels 2323 / 2839, 2979, 3784
 *     avx512    1-2  64 channels 1032 / 710, 730, 893       128 channels 1463 / 1282, 1352, 1647    256 channels 1739 / 1834, 1965, 2595
 *     simd128   1-2  32 channels 72 / -, 91       64 channels 169 / -, 244       256 channels 215 / -, 346 (32 codewords: 171)
 *     avx2      1-2  32 channels 216 / -, 235     64 channels 544 / -, 568       256 channels 758 / -, 942 (32 codewords: 581)
 *
 * A table of responses is found for every pixel and input channel, and pays when many output channels use it: two blocks of 64,
 * four where two planes make it dearer. Sixteen-byte look-ups find only 16 codewords at once. Plain code has no look-ups.
 */
function codebookPays(kind: ConvolutionKind, isa: string): boolean {
  const { weightBits, activationBits, groupInputs, groupOutputs, taps } = kind;
  const { codewords = Number.POSITIVE_INFINITY } = kind;
  if (weightBits !== 1 || activationBits > 2 || taps !== codewordTaps || isa === 'portable') return false;
  if (isa !== 'avx512') return codewords <= 16 && groupInputs >= 32 && groupOutputs >= 32;
  // What is no multiple of two blocks has tiles of one block, or idle lanes.
  const least = activationBits === 1 || codewords <= maxPairedCodewords ? 128 : 256;
  return codewords <= maxCodewords && groupInputs >= 64 && groupOutputs >= least && groupOutputs % 128 === 0;
}

/** Choices that were measured on a machine, by `choiceKey`. */
export type TunedChoices = Readonly<Record<string, KernelName>>;

/** Lower ends of the classes of channels that are measured apart. */
export const channelClasses = [16, 64, 256] as const;

/** What tells measured choices apart: bits and class of channels; undefined for convolutions that are not measured. */
export function choiceKey({
  weightBits,
  activationBits,
  groupInputs,
  groupOutputs,
  taps,
}: ConvolutionKind): string | undefined {
  const channels = channelClasses.findLast((lowest) => lowest <= groupInputs);
  if (channels === undefined || groupOutputs < channelClasses[0] || weightBits > 8) return undefined;
  return `${weightBits}-${activationBits}/${channels}${taps === 1 ? '/1x1' : ''}`;
}

/** A measured choice where there is one, the table's elsewhere; codebooks are not measured. */
export function chooserOf(choices: TunedChoices): typeof chooseKernel {
  return (kind, isa) => {
    const key = kind.codewords === undefined ? choiceKey(kind) : undefined;
    return (key !== undefined && Object.hasOwn(choices, key) ? choices[key] : undefined) ?? chooseKernel(kind, isa);
  };
}
