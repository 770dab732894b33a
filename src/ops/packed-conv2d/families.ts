/** The list of kernel families: how a packed convolution holds its weights and multiplies. */
import type { Op } from '../../core/op.js';
import { maxLevel } from '../../core/tensor.js';
import { codewordTaps } from '../codewords.js';
import { conv2dCodebook, maxCodewords, packCodebook } from './codebook.js';
import { conv2dDot, packDot } from './dot.js';
import type { ConvolutionKind } from './kernel-choice.js';
import type { PackedConv2d, PackFilterAttributes, packFilterParams } from './packed-conv2d.js';
import { conv2dPlanes, packPlanes } from './planes.js';
import { conv2dTables, packTables } from './tables.js';

export interface Family {
  readonly name: FamilyName;
  readonly pack: Op<PackFilterAttributes, typeof packFilterParams>;
  readonly conv: PackedConv2d;
  /** Largest weightBits of bipolar filters. */
  readonly maxWeightBits: number;
  /** Most bits of activations. @default 8 */
  readonly maxActivationBits?: number;
  /** Most distinct patterns of its filters, which are 3x3; absent where any filter will do. */
  readonly maxCodewords?: number;
  /** Whether it takes i16 filters (weightBits 16). */
  readonly takesWide: boolean;
  /** With bipolar weights 2q - max (or i16 ones) and x = xMultiplier * qx - ..; see packed-conv2d.ts. */
  factorsOf(weightBits: number, xMultiplier: number): { productFactor: number; sumFactor: number };
}

/** Families whose weight integers are the levels themselves. */
const ofLevels = (weightBits: number, xMultiplier: number) => ({
  productFactor: 2 * xMultiplier,
  sumFactor: maxLevel(weightBits) * xMultiplier,
});

export const families = {
  planes: {
    name: 'planes',
    pack: packPlanes,
    conv: conv2dPlanes,
    maxWeightBits: 8,
    takesWide: false,
    factorsOf: ofLevels,
  },
  tables: {
    name: 'tables',
    pack: packTables,
    conv: conv2dTables,
    maxWeightBits: 8,
    takesWide: false,
    factorsOf: ofLevels,
  },
  dot: {
    name: 'dot',
    pack: packDot,
    conv: conv2dDot,
    maxWeightBits: 8,
    takesWide: true,
    // Signed bytes hold 2q - max up to 7 bits; 2q - 255 = 2 (q - 128) + 1.
    factorsOf: (weightBits, xMultiplier) =>
      weightBits === 8
        ? { productFactor: 2 * xMultiplier, sumFactor: -xMultiplier }
        : { productFactor: xMultiplier, sumFactor: 0 },
  },
  codebook: {
    name: 'codebook',
    pack: packCodebook,
    conv: conv2dCodebook,
    maxWeightBits: 1,
    maxActivationBits: 2,
    maxCodewords,
    takesWide: false,
    factorsOf: ofLevels,
  },
} as const satisfies Record<string, Omit<Family, 'name'> & { name: string }>;
export type FamilyName = keyof typeof families;

/** Whether a family can multiply this at all. */
export function takes(family: Family, kind: ConvolutionKind): boolean {
  const { weightBits, activationBits, taps, codewords = Number.POSITIVE_INFINITY } = kind;
  if (weightBits === 16 ? !family.takesWide : weightBits > family.maxWeightBits) return false;
  if (activationBits > (family.maxActivationBits ?? 8)) return false;
  return family.maxCodewords === undefined || (taps === codewordTaps && codewords <= family.maxCodewords);
}
