/**
 * What the three products of a convolution share: the attributes, the params that kernels get, and the checks.
 *
 * Filter tap (kh, kw) of output pixel (oh, ow) reads the image at row oh * stride + kh * dilation - padTop, columns alike.
 * With groups, channels are dealt into consecutive ranges: the outChannels / groups output channels of group g read the
 * inChannels / groups input channels of group g. `groups` equal to the number of input channels is a depthwise convolution.
 */
import type { ParamValues } from '../../core/op.js';
import { largestInteger, type Shape, sizeOf, type TensorType } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';

export interface Conv2dAttributes {
  readonly stride: number;
  /** Pixels from one filter tap to the next. @default 1 */
  readonly dilation?: number;
  /** Must divide both the image's and the output's channels. @default 1 */
  readonly groups?: number;
  /** Rows and columns of padding before the image; what is needed after it follows from the output's size. */
  readonly padTop: number;
  readonly padLeft: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** Shared by the three ops, so that one struct in C++ serves them. */
export const geometry = {
  batch: 'i32',
  height: 'i32',
  width: 'i32',
  /** Of all groups. */
  inChannels: 'i32',
  outHeight: 'i32',
  outWidth: 'i32',
  outChannels: 'i32',
  kernelHeight: 'i32',
  kernelWidth: 'i32',
  stride: 'i32',
  dilation: 'i32',
  groups: 'i32',
  padTop: 'i32',
  padLeft: 'i32',
  /** Product of the operands' steps. */
  factor: 'f32',
} as const;

export type Geometry = ParamValues<typeof geometry>;

/** The filter's third extent is that of one group. */
export function geometryOf(x: Shape, filter: Shape, attributes: Conv2dAttributes, factor: number): Geometry {
  const [batch, height, width, inChannels] = x as [number, number, number, number];
  const [kernelHeight, kernelWidth, , outChannels] = filter as [number, number, number, number];
  const { stride, dilation = 1, groups = 1, padTop, padLeft, outHeight, outWidth } = attributes;
  return {
    batch,
    height,
    width,
    inChannels,
    outHeight,
    outWidth,
    outChannels,
    kernelHeight,
    kernelWidth,
    stride,
    dilation,
    groups,
    padTop,
    padLeft,
    factor: Math.fround(factor),
  };
}

/**
 * How many products of two elements a float sums exactly, because their integer sum stays below 2^24; no limit where an
 * operand is real. Kernels that sum in floats cut longer sums into pieces.
 */
export function exactTerms(left: TensorType, right: TensorType): number {
  if (left.encoding === undefined || right.encoding === undefined) return 2 ** 31 - 1;
  return Math.floor((2 ** 24 - 1) / (largestInteger(left.encoding) * largestInteger(right.encoding)));
}

/** A filter as large as the image: each sample has one output pixel, and kernels multiply two matrices. */
export function isDense(p: Geometry): boolean {
  const isUnpadded = p.padTop === 0 && p.padLeft === 0;
  const isPlain = p.groups === 1 && (p.dilation === 1 || (p.kernelHeight === 1 && p.kernelWidth === 1));
  return (
    isPlain &&
    isUnpadded &&
    p.outHeight === 1 &&
    p.outWidth === 1 &&
    p.kernelHeight === p.height &&
    p.kernelWidth === p.width
  );
}

/** Elements of the filter: the input channels of one group for every output channel. */
export function filterElements(p: Geometry): number {
  return ((p.kernelHeight * p.kernelWidth * p.inChannels) / p.groups) * p.outChannels;
}

/** Length of an optional dynamic scale, 0 when absent. */
export function scaleCount(scale: TensorType | undefined): number {
  return scale === undefined ? 0 : sizeOf(scale.shape);
}

export function requireScale(what: string, scale: TensorType | undefined, lengths: readonly number[]): void {
  if (scale !== undefined && !lengths.includes(scaleCount(scale))) {
    throw new SubbitError(
      `the scale of ${what} has ${scaleCount(scale)} elements; it must have ${lengths.join(' or ')}`,
    );
  }
}

/** Four dimensions, of real numbers or of levels. */
export function requireOperand(what: string, type: TensorType): void {
  if (type.shape.length !== 4)
    throw new SubbitError(`${what} must have four dimensions, not [${type.shape.join(', ')}]`);
  if (type.dtype !== 'f32' && type.dtype !== 'u8')
    throw new SubbitError(`${what} must be real or levels (f32 or u8), not ${type.dtype}`);
}

function requirePositive(what: string, value: number): void {
  if (!(Number.isInteger(value) && value >= 1))
    throw new SubbitError(`${what} must be a positive integer, not ${value}`);
}

function requireChannels(inChannels: number, filterChannels: number, outChannels: number, groups: number): void {
  for (const [what, channels] of Object.entries({ input: inChannels, output: outChannels })) {
    if (channels % groups !== 0)
      throw new SubbitError(`${channels} ${what} channels cannot be dealt into ${groups} groups of equal size`);
  }
  if (inChannels !== filterChannels * groups) {
    const inEach = groups === 1 ? '' : ` in each of ${groups} groups`;
    throw new SubbitError(`the image has ${inChannels} channels and the filter expects ${filterChannels}${inEach}`);
  }
}

export function requireGeometry(xShape: Shape, filterShape: Shape, attributes: Conv2dAttributes): void {
  const [, height, width, inChannels] = xShape as [number, number, number, number];
  const [kernelHeight, kernelWidth, filterChannels, outChannels] = filterShape as [number, number, number, number];
  const { stride, dilation = 1, groups = 1, padTop, padLeft, outHeight, outWidth } = attributes;
  requirePositive('stride', stride);
  requirePositive('dilation', dilation);
  requirePositive('groups', groups);
  requireChannels(inChannels, filterChannels, outChannels, groups);
  const [rows, columns] = [spanOf(kernelHeight, dilation), spanOf(kernelWidth, dilation)];
  const filter = dilation === 1 ? 'filter' : 'dilated filter';
  if (padTop < 0 || padTop >= rows || padLeft < 0 || padLeft >= columns) {
    throw new SubbitError(
      `padding ${padTop}, ${padLeft} must be at least 0 and smaller than the ${filter} (${rows}x${columns})`,
    );
  }
  // The last window must start inside the image and may hang over its end by less than the filter.
  const fits = (out: number, pad: number, extent: number): boolean => out >= 1 && (out - 1) * stride - pad < extent;
  if (!fits(outHeight, padTop, height) || !fits(outWidth, padLeft, width)) {
    throw new SubbitError(
      `a ${rows}x${columns} ${filter} with stride ${stride} gives no ${outHeight}x${outWidth} output on a ${height}x${width} image; use a larger image or padding 'same'`,
    );
  }
}

/** Pixels from a filter's first tap to its last one, both included. */
export function spanOf(taps: number, dilation: number): number {
  return (taps - 1) * dilation + 1;
}
