/**
 * What filters of n codewords cost on paper (Sparks, papers 2.5, whose table the test reproduces).
 *
 *     bits            C K ceil(log2 n)              an index per filter; the paper leaves the codebook out
 *     codebook bits   9 n
 *     operations      H W (9 n C + (C / groups) K / 2)   the response to every codeword once per input channel, then one addition, half
 *                                                   an operation, per filter
 *                     H W 9 (C / groups) K          where n is not below the output channels of a group: nothing is shared
 *
 * Operations are those of 1-bit activations; A bits take A times as many. What a kernel really does, and which one runs, is another
 * matter (kernel-choice.ts).
 */
import { codewordTaps, indexBits } from '../ops/codewords.js';

/** A convolution with 3x3 filters. */
export interface CodewordLayer {
  readonly inChannels: number;
  readonly outChannels: number;
  /** @default 1 */
  readonly groups?: number;
  /** Of one image. */
  readonly outPixels: number;
}

export interface CodewordCosts {
  readonly codewords: number;
  /** Of the indices alone, packed. */
  readonly indexBits: number;
  /** Bits of the list of codewords. */
  readonly codebookBits: number;
  /** Per image and bit of the activations. */
  readonly sharedOps: number;
}

export function codewordCosts(
  { inChannels, outChannels, groups = 1, outPixels }: CodewordLayer,
  codewords: number,
): CodewordCosts {
  const filters = (inChannels / groups) * outChannels;
  const isShared = codewords < outChannels / groups;
  return {
    codewords,
    indexBits: filters * indexBits(codewords),
    codebookBits: codewordTaps * codewords,
    sharedOps: outPixels * (isShared ? codewordTaps * codewords * inChannels + filters / 2 : codewordTaps * filters),
  };
}
