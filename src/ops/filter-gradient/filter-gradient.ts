/**
 * The gradient of a filter as dot products of bytes (A x G, DoReFa-Net algorithm 1): conv2d-filter-gradient for an image of
 * levels and a bipolar gradient with a scale per sample (paper 2.5), which stays outside the integer sum over the pixels of one sample.
 *
 * The sum runs over a sample's output pixels, i = oh * OW + ow. So both operands are laid out along i, a block of samples at a
 * time:
 *
 *   image      [kw][c][section][row][OW]  u8: per filter column and channel a *plane* of what that column reads, row by row, with zeros
 *                                         for padding. Tap (kh, kw) of channel c reads OH * OW consecutive bytes of it: rows that are a
 *                                         stride apart lie together in a section, and from one filter row to the next the first one moves
 *                                         on by whole rows. A plane has the rows once for all kh, and OW of a row: nothing is multiplied
 *                                         that does not count.
 *   gradient   [k / 16][i / 4][16][4]     s8: 2q - max up to 127 levels, else q - 128; zeros fill up the last quad and channels.
 *
 * The second form lacks half of the integer: 2q - max = 2 (q - 128) + (256 - max), so the row's sum of the image, times 256 - max, is
 * added to twice the product.
 *
 * Where the best product is that of 16-bit integers (WebAssembly, SSE2, NEON without sdot), levels of few bits are taken in pairs of
 * channels: a plane of 16-bit integers lies where those of two channels would, and the gradient is [k / 16][i / 2][16][2]
 * (joined-tile.h).
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { largestInteger, operandOf, real, stepOf, type TensorType } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { type Conv2dFilterGradientAttributes, conv2dFilterGradient } from '../conv2d/conv2d.js';
import {
  filterElements,
  type Geometry,
  geometry,
  geometryOf,
  requireGeometry,
  requireScale,
} from '../conv2d/geometry.js';

export const conv2dFilterGradientDot = defineOp({
  name: 'conv2d-filter-gradient-dot',
  inputs: ['x', 'dy', 'dyScale'],
  outputs: ['dFilter'],
  infer([x, dy, dyScale]: InputTypes, attributes: Conv2dFilterGradientAttributes) {
    const reason = whyNotExact(x!, dy!, attributes);
    if (reason !== undefined) throw new SubbitError(`the filter's gradient cannot be taken by dot products: ${reason}`);
    const shape = filterShape(x!, dy!, attributes);
    requireGeometry(x!.shape, shape, attributes);
    requireScale('the gradient', dyScale, [x!.shape[0]!]);
    return [real(shape)];
  },
  params: {
    ...geometry,
    x: 'operand',
    dy: 'operand',
    xBits: 'i32',
    dyBits: 'i32',
    /** The gradient's largest level. */
    dyMax: 'i32',
    /** Filter row kh reads section kh % period of a plane, and there from row floor(kh / period) * rowStep on. */
    period: 'i32',
    sections: 'i32',
    sectionRows: 'i32',
    rowStep: 'i32',
    /** Of one channel under one filter column. */
    planeBytes: 'i32',
    /** Of a sample in scratch: its gradient, its planes, the sums of rows (where they are needed). */
    gradientBytes: 'i32',
    imageBytes: 'i32',
    sumBytes: 'i32',
    samplesPerBlock: 'i32',
    /** Of the list of where the bytes of planes come from. */
    listBytes: 'i32',
  },
  pack([x, dy], attributes) {
    const convolution = geometryOf(x!.shape, filterShape(x!, dy!, attributes), attributes, stepOf(x!) * stepOf(dy!));
    const [xMax, dyMax] = [x!.encoding!.max, dy!.encoding!.max];
    const layout = layoutOf(convolution, dyMax);
    const sampleBytes = layout.gradientBytes + layout.imageBytes + layout.sumBytes;
    const samplesPerBlock = Math.max(1, Math.min(convolution.batch, Math.floor(blockBytes / sampleBytes)));
    const operands = { x: operandOf(x!), dy: operandOf(dy!), xBits: bitsOf(xMax), dyBits: bitsOf(dyMax), dyMax };
    return { ...convolution, ...operands, ...layout, samplesPerBlock };
  },
  /**
   * A block of samples; where the bytes of planes come from (AVX-512); where rows begin; dFilter in whole blocks of channels, unless it
   * is so itself.
   */
  scratchBytes(p) {
    const rows = p.kernelHeight * p.kernelWidth * p.inChannels;
    const padded = p.outChannels % channelsPerBlock === 0 ? 0 : rows * roundUp(p.outChannels, channelsPerBlock);
    const sampleBytes = p.gradientBytes + p.imageBytes + p.sumBytes;
    return p.samplesPerBlock * sampleBytes + p.listBytes + 4 * (rows + p.kernelWidth + 1 + padded);
  },
  reference({ x, dy, dyScale, dFilter }, p) {
    const counts = { xScaleCount: 0, dyScaleCount: p.batch, exactTerms: 0, blocks: 1 };
    conv2dFilterGradient.reference({ x: x!, dy: dy!, dyScale: dyScale!, dFilter: dFilter! }, { ...p, ...counts });
  },
});

/**
 * Why the op does not serve these operands, or serves them worse than conv2d-filter-gradient; undefined where it does well.
 */
export function whyNotDot(
  x: TensorType,
  dy: TensorType,
  attributes: Conv2dFilterGradientAttributes,
): string | undefined {
  const pixels = attributes.outHeight * attributes.outWidth;
  if (pixels < fewestPixels) return `an output of ${pixels} pixels is too small for sums over the pixels of a sample`;
  return whyNotExact(x, dy, attributes);
}

/** Smaller outputs spend more time on adding up samples than on products. */
const fewestPixels = 4;

function whyNotExact(x: TensorType, dy: TensorType, attributes: Conv2dFilterGradientAttributes): string | undefined {
  const [left, right] = [x.encoding, dy.encoding];
  if (x.dtype !== 'u8' || left?.kind !== 'levels') return 'the image must be levels';
  if (left.zeroPoints?.some((point) => point !== 0)) return `the image's zero point must be 0`;
  if (left.scaleAxis !== undefined) return 'the image must not have a dynamic scale';
  if (dy.dtype !== 'u8' || right?.kind !== 'bipolar') return 'the gradient must be bipolar levels';
  if ((attributes.groups ?? 1) !== 1) return `filters of ${attributes.groups} groups`;
  const pixels = attributes.outHeight * attributes.outWidth;
  const largest = largestInteger(left) * largestInteger(right) * pixels;
  return largest < 2 ** 31
    ? undefined
    : `sums over ${pixels} pixels can be as large as ${largest}, more than 32 bits hold`;
}

function filterShape(x: TensorType, dy: TensorType, attributes: Conv2dFilterGradientAttributes) {
  return [attributes.kernelHeight, attributes.kernelWidth, x.shape[3]!, dy.shape[3]!];
}

const channelsPerBlock = 16;
const lineBytes = 64;
/** Of a step of pack-gradient.h. */
const stepBytes = 128;
/** Packed samples that are computed at once: so many stay in the second-level cache. */
const blockBytes = 1 << 20;

const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;
const bitsOf = (max: number): number => Math.ceil(Math.log2(max + 1));

function layoutOf(p: Geometry, dyMax: number) {
  const quads = Math.ceil((p.outHeight * p.outWidth) / 4);
  // Filter rows `period` apart read the same section.
  const divisor = greatestCommonDivisor(p.stride, p.dilation);
  const period = p.stride / divisor;
  const sections = Math.min(p.kernelHeight, period);
  const steps = Math.ceil(p.kernelHeight / period) - 1;
  const rowStep = p.dilation / divisor;
  const sectionRows = p.outHeight + steps * rowStep;
  // A row's last quad may reach 3 bytes further. Whole lines, because planes are written by the line.
  const planeBytes = roundUp(sections * sectionRows * p.outWidth + 3, lineBytes);
  return {
    ...{ period, sections, sectionRows, rowStep, planeBytes },
    gradientBytes: roundUp(quads * 4 * roundUp(p.outChannels, channelsPerBlock), lineBytes),
    imageBytes: p.kernelWidth * p.inChannels * planeBytes,
    sumBytes: dyMax < 128 ? 0 : roundUp((4 * filterElements(p)) / p.outChannels, lineBytes),
    listBytes: p.kernelWidth * (planeBytes / lineBytes) * largestSteps(p) * stepBytes,
  };
}

/** How many ranges of 128 bytes of an image the 64 bytes of a plane's line come from, at most. */
function largestSteps({ height, width, outWidth, stride }: Geometry): number {
  const rows = Math.floor((lineBytes - 2) / outWidth) + 2;
  const reach = (Math.min(lineBytes, outWidth) - 1) * stride;
  return Math.min(rows * (Math.floor(reach / 128) + 1), Math.ceil((height * width) / 128));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
