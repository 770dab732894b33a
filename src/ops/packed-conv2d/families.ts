/** The list of kernel families: how a packed convolution holds its weights and multiplies. */
import { type Encoding, maxLevel } from '../../core/tensor.js';
import { codewordTaps } from '../codewords.js';
import { conv2dCodebook, maxCodewords, packCodebook } from './codebook.js';
import { conv2dDot, packDot } from './dot.js';
import type { ConvolutionKind } from './kernel-choice.js';
import type { PackedConv2d, PackFilter } from './packed-conv2d.js';
import { conv2dPlanes, packPlanes } from './planes.js';
import { conv2dTables, packTables } from './tables.js';

export interface Family {
  readonly name: FamilyName;
  readonly pack: PackFilter;
  readonly conv: PackedConv2d;
  /** Largest weightBits of bipolar filters. */
  readonly maxWeightBits: number;
  /** Most bits of activations. @default 8 */
  readonly maxActivationBits?: number;
  /** Most distinct patterns of its filters, which are 3x3; absent where any filter will do. */
  readonly maxCodewords?: number;
  /** Whether it takes i16 filters (weightBits 16). */
  readonly takesWide: boolean;
  /** Whether it takes levels with a zero point (zeroPointOf). @default no: bipolar levels alone */
  readonly takesZeroPoints?: boolean;
  /** With weights 2q - max, q - zeroPoint or i16 and x = xMultiplier * qx - ..; see packed-conv2d.ts. */
  factorsOf(weights: WeightKind, xMultiplier: number): { productFactor: number; sumFactor: number };
}

/** Weights of levels: bipolar, or q - zeroPoint. */
export type WeightKind = Pick<ConvolutionKind, 'weightBits' | 'zeroPoint'>;

/**
 * The weights that kernel families take, by a filter's encoding: bipolar levels, or levels whose zero is the first one of their upper half;
 * undefined for others.
 */
export function weightKindOf({ kind, max, zeroPoints = [0] }: Encoding): WeightKind | undefined {
  const weightBits = Math.log2(max + 1);
  if (!Number.isInteger(weightBits) || kind === 'integer') return undefined;
  if (kind === 'bipolar') return { weightBits };
  const zeroPoint = (max + 1) / 2;
  return zeroPoints.length === 1 && zeroPoints[0] === zeroPoint ? { weightBits, zeroPoint } : undefined;
}

/** Families whose weight integers are the levels themselves. */
const ofLevels = ({ weightBits, zeroPoint }: WeightKind, xMultiplier: number) =>
  zeroPoint === undefined
    ? { productFactor: 2 * xMultiplier, sumFactor: maxLevel(weightBits) * xMultiplier }
    : { productFactor: xMultiplier, sumFactor: zeroPoint * xMultiplier };

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
    takesZeroPoints: true,
    factorsOf: ofLevels,
  },
  dot: {
    name: 'dot',
    pack: packDot,
    conv: conv2dDot,
    maxWeightBits: 8,
    takesWide: true,
    takesZeroPoints: true,
    // Signed bytes hold q - zeroPoint, and 2q - max up to 7 bits; 2q - 255 = 2 (q - 128) + 1.
    factorsOf: ({ weightBits, zeroPoint }, xMultiplier) =>
      weightBits === 8 && zeroPoint === undefined
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
  const { weightBits, zeroPoint, activationBits, taps, codewords = Number.POSITIVE_INFINITY } = kind;
  if (weightBits === 16 ? !family.takesWide : weightBits > family.maxWeightBits) return false;
  if (zeroPoint !== undefined && !family.takesZeroPoints) return false;
  if (activationBits > (family.maxActivationBits ?? 8)) return false;
  return family.maxCodewords === undefined || (taps === codewordTaps && codewords <= family.maxCodewords);
}
