/**
 * What the fused convolutions of deployed networks share: one declaration, one reference.
 *
 * A fused convolution is `integer-conv2d` with what follows it: thresholds, or rescaling and the residual stream. No
 * accumulator reaches memory. Kernel families differ in how they hold the weights and multiply (planes, tables, dot, codebook); each
 * has a pack op that lays out the filter once, and a fused op that is declared here.
 *
 *     acc = productFactor * P - sumFactor * S - O
 *
 *     P   sum of qw * qx: qx the stored bytes of x (0 where padded), qw the family's weight integers
 *     S   sum of qx over the window, one number per output pixel and group
 *     O   sum of offsets[tap][k] over the taps inside the image (x's zero points times weights); its last row is the sum of
 *         all rows, for the pixels whose window lies inside
 *
 * With integers x = xMultiplier * qx - xOffset and w = wMultiplier * qw - wOffset this is the accumulator of integer-conv2d:
 * productFactor = xMultiplier * wMultiplier, sumFactor = xMultiplier * wOffset.
 */
import { type Buffers, defineOp, type InputTypes, type Op, type ParamValues } from '../../core/op.js';
import {
  describe,
  type Encoding,
  integer,
  quantized,
  sizeOf,
  type TensorType,
  type TypedArray,
} from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { rescaled } from '../integer/rescale.js';
import { levelOf } from '../integer/threshold.js';
import {
  convolve,
  type IntegerConv2dAttributes,
  integerGeometry,
  integerGeometryOf,
} from '../integer-conv2d/integer-conv2d.js';
import { roundHalfEven } from '../quantize/rounding.js';

/** What happens to an accumulator. The numbers are the kernels' codes. */
export const epilogueKinds = {
  /** y i32 = acc */
  accumulators: 0,
  /** y u8 = #{ j : acc >= up[j] }; constants i32 [levels, K] */
  thresholds: 1,
  /** plus #{ j : acc <= down[j] }; constants i32 [2 levels, K], up then down */
  'two-sided thresholds': 2,
  /** y u8 = round(acc * slope + intercept), clamped to 0..levels; constants f32 [2, K] */
  linear: 3,
  /**
   * as `thresholds`, with a line that guesses the level or the one below (linear-fit.ts), so that one comparison tells;
   * constants i32 [2 + levels, K]: slope and intercept as the bits of floats, then up
   */
  guided: 4,
  /** y i32 = rescale(acc) [+ residual]; constants i32 [3, K]: multiplier, shift, bias */
  stream: 5,
  /** y i16 = acc, where the bound is below 2^15 */
  'short accumulators': 6,
} as const;
export type EpilogueKind = keyof typeof epilogueKinds;

export interface Epilogue {
  readonly kind: EpilogueKind;
  /** Largest level of the four that write levels. */
  readonly levels: number;
  /** Clamp of a stream before the residual is added. */
  readonly low: number;
  readonly high: number;
  /** Static bound of what is written, for accumulators and streams. */
  readonly max: number;
  /** Real units per integer of what is written. */
  readonly step: number;
  /** Of levels that are written. @default from zero, with the largest level as 1 */
  readonly encoding?: Encoding;
}

export interface PackedConv2dAttributes extends IntegerConv2dAttributes {
  /** [KH, KW, C / groups, K] */
  readonly filterShape: readonly number[];
  /** 1 .. 8: levels (families.ts); 16: signed integers (dot only). */
  readonly weightBits: number;
  /** x's bytes are below 2^activationBits. */
  readonly activationBits: number;
  readonly productFactor: number;
  readonly sumFactor: number;
  readonly epilogue: Epilogue;
  /** Input channels per index; tables and codebook only. @default 0 */
  readonly tableInputs?: number;
  /** What runs: a sum of `convolutionParts`. Without all of them y means nothing; benchmarks time the parts so. @default all */
  readonly parts?: number;
}

/** The parts of a fused convolution. The numbers are the kernels' codes. */
export const convolutionParts = { pack: 1, product: 2, epilogue: 4 } as const;
const allParts = 7;

export const packedConv2dParams = {
  ...integerGeometry,
  weightBits: 'i32',
  activationBits: 'i32',
  tableInputs: 'i32',
  productFactor: 'i32',
  sumFactor: 'i32',
  epilogue: 'i32',
  levels: 'i32',
  low: 'i32',
  high: 'i32',
  parts: 'i32',
} as const;
export type PackedConv2dParams = ParamValues<typeof packedConv2dParams>;
export type PackedConv2d = Op<PackedConv2dAttributes, typeof packedConv2dParams>;

/** What a packed filter's layout depends on. */
export const packFilterParams = {
  /** KH * KW */
  taps: 'i32',
  /** C / groups */
  groupInputs: 'i32',
  outChannels: 'i32',
  groups: 'i32',
  weightBits: 'i32',
  tableInputs: 'i32',
} as const;
export type FilterLayout = ParamValues<typeof packFilterParams>;
type PackFilterParams = typeof packFilterParams & { readonly zeroPoint: 'i32' };
export type PackFilter = Op<PackFilterAttributes, PackFilterParams>;

export function layoutOf(p: PackedConv2dParams): FilterLayout {
  const { outChannels, groups, weightBits, tableInputs } = p;
  return {
    ...{ taps: p.kernelHeight * p.kernelWidth, groupInputs: p.inChannels / groups },
    ...{ outChannels, groups, weightBits, tableInputs },
  };
}

export interface PackFilterAttributes {
  readonly groups: number;
  readonly weightBits: number;
  /** @default 0 */
  readonly tableInputs?: number;
}

export interface PackOptions {
  /** Of weights q - zeroPoint; 0 for others. */
  readonly zeroPoint: number;
  /** Where the family takes them. */
  readonly signs?: TypedArray | undefined;
}

/** How a kernel family holds a filter. */
export interface PackedLayout {
  /** Bytes of the packed filter. */
  bytes(layout: FilterLayout): number;
  /** Writes the zeroed bytes from the stored filter [KH, KW, C / groups, K]. */
  pack(filter: TypedArray, layout: FilterLayout, packed: Uint8Array, options: PackOptions): void;
  /** The weight integer qw of a tap, a channel of the output channel's group, and an output channel. */
  weightAt(packed: ArrayLike<number>, layout: FilterLayout, tap: number, channel: number, outChannel: number): number;
}

/**
 * The op that lays out a filter (u8 levels; i16 where the family has 16 bits) for a family. One that takes signs (u8 levels [K],
 * integer-conv2d.ts) has them in the packed filter.
 */
export function definePackFilter(
  name: string,
  layout: PackedLayout,
  { takesSigns = false }: { readonly takesSigns?: boolean } = {},
): PackFilter {
  const paramsOf = (
    filter: TensorType,
    { groups, weightBits, tableInputs = 0 }: PackFilterAttributes,
  ): FilterLayout => {
    const [kernelHeight, kernelWidth, groupInputs, outChannels] = filter.shape as [number, number, number, number];
    return { taps: kernelHeight * kernelWidth, groupInputs, outChannels, groups, weightBits, tableInputs };
  };
  return defineOp<PackFilterAttributes, PackFilterParams>({
    name,
    inputs: takesSigns ? ['filter', 'signs?'] : ['filter'],
    outputs: ['packed'],
    infer: ([filter]: InputTypes, attributes) => [
      { dtype: 'u8', shape: [layout.bytes(paramsOf(filter!, attributes))] },
    ],
    params: { ...packFilterParams, zeroPoint: 'i32' },
    pack: ([filter], attributes) => ({
      ...paramsOf(filter!, attributes),
      zeroPoint: filter!.encoding?.zeroPoints?.[0] ?? 0,
    }),
    reference({ filter, signs, packed }, p) {
      packed!.fill(0);
      layout.pack(filter!, p, packed as Uint8Array, { zeroPoint: p.zeroPoint, signs });
    },
  });
}

/** The fused convolution of a family. */
export function definePackedConv2d(
  name: string,
  layout: PackedLayout,
  options: { scratchBytes?(p: PackedConv2dParams): number } = {},
): PackedConv2d {
  return defineOp<PackedConv2dAttributes, typeof packedConv2dParams>({
    name,
    inputs: ['x', 'filter', 'offsets?', 'constants?', 'residual?'],
    outputs: ['y'],
    infer([x, filter, offsets, constants, residual]: InputTypes, attributes) {
      const p = packedParams(x!, attributes);
      if (x!.dtype !== 'u8') throw new SubbitError(`needs levels, not ${describe(x!)}`);
      const filterBytes = layout.bytes(layoutOf(p));
      if (sizeOf(filter!.shape) !== filterBytes)
        throw new SubbitError(`the packed filter has ${sizeOf(filter!.shape)} bytes, not ${filterBytes}`);
      requireConstants(p, offsets, constants, residual);
      const { epilogue } = attributes;
      const shape = [p.batch, p.outHeight, p.outWidth, p.outChannels];
      if (epilogue.levels > 0) {
        const { levels: max, encoding = { kind: 'levels', max, step: 1 / max } } = epilogue;
        return [quantized(shape, encoding)];
      }
      const dtype = epilogue.kind === 'short accumulators' ? 'i16' : 'i32';
      return [integer(shape, epilogue.max, { dtype, step: epilogue.step })];
    },
    params: packedConv2dParams,
    pack: ([x], attributes) => packedParams(x!, attributes),
    ...options,
    reference: (buffers, p) => referenceOf(layout, buffers, p),
  });
}

function packedParams(x: TensorType, attributes: PackedConv2dAttributes): PackedConv2dParams {
  const {
    weightBits,
    activationBits,
    tableInputs = 0,
    productFactor,
    sumFactor,
    epilogue,
    parts = allParts,
  } = attributes;
  const { levels, low, high } = epilogue;
  return {
    ...integerGeometryOf(x, attributes.filterShape, attributes),
    ...{ weightBits, activationBits, tableInputs, productFactor, sumFactor, levels, low, high, parts },
    epilogue: epilogueKinds[epilogue.kind],
  };
}

function requireConstants(
  p: PackedConv2dParams,
  offsets: TensorType | undefined,
  constants: TensorType | undefined,
  residual: TensorType | undefined,
): void {
  const rows = [0, p.levels, 2 * p.levels, 2, 2 + p.levels, 3, 0][p.epilogue]!;
  const expected = (shape: string, type: TensorType | undefined): void => {
    if (type !== undefined && type.shape.join() !== shape)
      throw new SubbitError(`needs constants of shape [${shape}], not ${describe(type)}`);
  };
  expected(`${p.kernelHeight * p.kernelWidth + 1},${p.outChannels}`, offsets);
  expected(`${rows},${p.outChannels}`, constants);
  expected(`${p.batch},${p.outHeight},${p.outWidth},${p.outChannels}`, residual);
  if (rows > 0 !== (constants !== undefined)) throw new SubbitError(`the epilogue needs ${rows} rows of constants`);
}

function referenceOf(layout: PackedLayout, buffers: Buffers, p: PackedConv2dParams): void {
  const filterLayout = layoutOf(p);
  const { x, filter, offsets, constants, residual, y } = buffers;
  const groupInputs = p.inChannels / p.groups;
  const products = new Float64Array(y!.length);
  const sums = new Float64Array(y!.length);
  const borders = new Float64Array(y!.length);
  const decodeWeight = (index: number): number => {
    const k = index % p.outChannels;
    const row = Math.floor(index / p.outChannels);
    return layout.weightAt(filter!, filterLayout, Math.floor(row / groupInputs), row % groupInputs, k);
  };
  const valueAt = (index: number): number => x![index]!;
  convolve(p, valueAt, decodeWeight, (index, sum) => {
    products[index] = sum;
  });
  convolve(
    p,
    valueAt,
    () => 1,
    (index, sum) => {
      sums[index] = sum;
    },
  );
  if (offsets !== undefined) {
    const offsetAt = (index: number): number => {
      const row = Math.floor(index / p.outChannels);
      return row % groupInputs === 0 ? offsets[(row / groupInputs) * p.outChannels + (index % p.outChannels)]! : 0;
    };
    convolve(
      p,
      () => 1,
      offsetAt,
      (index, sum) => {
        borders[index] = sum;
      },
    );
  }
  for (let i = 0; i < y!.length; i++) {
    const acc = p.productFactor * products[i]! - p.sumFactor * sums[i]! - borders[i]!;
    y![i] = finish(acc, i % p.outChannels, p, constants) + (residual?.[i] ?? 0);
  }
}

function finish(acc: number, k: number, p: PackedConv2dParams, constants: Buffers[string] | undefined): number {
  const numChannels = p.outChannels;
  switch (p.epilogue) {
    case epilogueKinds.accumulators:
    case epilogueKinds['short accumulators']:
      return acc;
    case epilogueKinds.thresholds:
      return levelOf(acc, constants!, undefined, k, numChannels, p.levels);
    case epilogueKinds['two-sided thresholds']:
      return levelOf(acc, constants!, constants!.subarray(p.levels * numChannels), k, numChannels, p.levels);
    case epilogueKinds.guided:
      return levelOf(acc, constants!.subarray(2 * numChannels), undefined, k, numChannels, p.levels);
    case epilogueKinds.stream:
      return rescaled(acc, constants![k]!, constants![numChannels + k]!, constants![2 * numChannels + k]!, p);
    default:
      return roundHalfEven(lineAt(acc, constants![k]!, constants![numChannels + k]!), p.levels);
  }
}

/** acc * slope + intercept, each operation rounded to float32. */
export function lineAt(acc: number, slope: number, intercept: number): number {
  return Math.fround(Math.fround(Math.fround(acc) * slope) + intercept);
}
