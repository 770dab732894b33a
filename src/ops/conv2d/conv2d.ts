/**
 * Two-dimensional convolution and its two gradients: the three products of a training step (DoReFa-Net, algorithm 1).
 *
 *     conv2d                   y       = x (*) filter          W x A
 *     conv2d-input-gradient    dx      = dy (*)^T filter       W x G
 *     conv2d-filter-gradient   dFilter = x (*) dy              A x G
 *
 * Layouts: x [N, H, W, C], filter [KH, KW, C, K], y [N, OH, OW, K]. A dense layer is the case H = W = KH = KW = 1.
 *
 * Each operand is real or quantized. The product is taken of the elements as `decode` gives them, exactly over integers
 * when both are quantized; then it is multiplied by factor (the product of the operands' steps) and their dynamic scales.
 * A scale per sample (quantized gradients, paper 2.5) stays outside the product of one sample and inside the sum over the
 * batch, which is why the filter gradient takes it; a scale per output channel leaves the forward product, but not the
 * input gradient's, whose filter is then real. Padding adds integer 0.
 */
import { defineOp, type InputTypes, type ParamValues } from '../../core/op.js';
import {
  decode,
  operandOf,
  real,
  type Shape,
  sizeOf,
  stepOf,
  type TensorType,
  type TypedArray,
} from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';

export interface Conv2dAttributes {
  readonly stride: number;
  /** Rows and columns of padding before the image; what is needed after it follows from the output's size. */
  readonly padTop: number;
  readonly padLeft: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** Shared by the three ops, so that one struct in C++ serves them. */
const geometry = {
  batch: 'i32',
  height: 'i32',
  width: 'i32',
  inChannels: 'i32',
  outHeight: 'i32',
  outWidth: 'i32',
  outChannels: 'i32',
  kernelHeight: 'i32',
  kernelWidth: 'i32',
  stride: 'i32',
  padTop: 'i32',
  padLeft: 'i32',
  /** Product of the operands' steps. */
  factor: 'f32',
} as const;

function geometryOf(x: Shape, filter: Shape, attributes: Conv2dAttributes, factor: number) {
  const [batch, height, width, inChannels] = x as [number, number, number, number];
  const [kernelHeight, kernelWidth, , outChannels] = filter as [number, number, number, number];
  return {
    batch,
    height,
    width,
    inChannels,
    outChannels,
    kernelHeight,
    kernelWidth,
    ...attributes,
    factor: Math.fround(factor),
  };
}

/**
 * How many products of two elements a float sums exactly, because their integer sum stays below 2^24; no limit where an
 * operand is real. Kernels that sum in floats cut longer sums into pieces.
 */
function exactTerms(left: TensorType, right: TensorType): number {
  const largest = largestInteger(left) * largestInteger(right);
  return largest === 0 ? 2 ** 31 - 1 : Math.floor((2 ** 24 - 1) / largest);
}

/** The largest absolute value of a quantized tensor's integers; 0 for real tensors. */
function largestInteger({ encoding }: TensorType): number {
  if (encoding === undefined) return 0;
  if (encoding.kind === 'bipolar') return encoding.max;
  return Math.max(...(encoding.zeroPoints ?? [0]).map((point) => Math.max(point, encoding.max - point)));
}

/** Columns of a packed matrix as kernels pad them: to whole vectors of at most 16 floats. */
function paddedColumns(columns: number): number {
  return Math.ceil(columns / 16) * 16;
}

/** Floats between the decoded rows of a dense layer (dense.h). */
const densePadding = 16;

/** A filter as large as the image: each sample has one output pixel, and kernels multiply two matrices. */
function isDense(p: ParamValues<typeof geometry>): boolean {
  const isUnpadded = p.padTop === 0 && p.padLeft === 0;
  return (
    isUnpadded && p.outHeight === 1 && p.outWidth === 1 && p.kernelHeight === p.height && p.kernelWidth === p.width
  );
}

/** Length of an optional dynamic scale, 0 when absent. */
function scaleCount(scale: TensorType | undefined): number {
  return scale === undefined ? 0 : sizeOf(scale.shape);
}

function requireScale(what: string, scale: TensorType | undefined, lengths: readonly number[]): void {
  if (scale !== undefined && !lengths.includes(scaleCount(scale))) {
    throw new SubbitError(
      `the scale of ${what} has ${scaleCount(scale)} elements; it must have ${lengths.join(' or ')}`,
    );
  }
}

function requireRank4(what: string, type: TensorType): void {
  if (type.shape.length !== 4)
    throw new SubbitError(`${what} must have four dimensions, not [${type.shape.join(', ')}]`);
}

function requireGeometry(xShape: Shape, filterShape: Shape, attributes: Conv2dAttributes): void {
  const [, height, width, inChannels] = xShape as [number, number, number, number];
  const [kernelHeight, kernelWidth, filterChannels] = filterShape as [number, number, number];
  if (inChannels !== filterChannels) {
    throw new SubbitError(`the image has ${inChannels} channels and the filter expects ${filterChannels}`);
  }
  const { stride, padTop, padLeft, outHeight, outWidth } = attributes;
  if (!(Number.isInteger(stride) && stride >= 1))
    throw new SubbitError(`stride must be a positive integer, not ${stride}`);
  if (padTop < 0 || padTop >= kernelHeight || padLeft < 0 || padLeft >= kernelWidth) {
    throw new SubbitError(
      `padding ${padTop}, ${padLeft} must be at least 0 and smaller than the filter (${kernelHeight}x${kernelWidth})`,
    );
  }
  // The last window must start inside the image and may hang over its end by less than the filter.
  const fits = (out: number, pad: number, extent: number): boolean => out >= 1 && (out - 1) * stride - pad < extent;
  if (!fits(outHeight, padTop, height) || !fits(outWidth, padLeft, width)) {
    throw new SubbitError(
      `a ${kernelHeight}x${kernelWidth} filter with stride ${stride} gives no ${outHeight}x${outWidth} output on a ${height}x${width} image; use a larger image or padding 'same'`,
    );
  }
}

export const conv2d = defineOp({
  name: 'conv2d',
  inputs: ['x', 'filter', 'xScale?', 'filterScale?'],
  outputs: ['y'],
  infer([x, filter, xScale, filterScale]: InputTypes, attributes: Conv2dAttributes) {
    requireRank4('the image', x!);
    requireRank4('the filter', filter!);
    requireGeometry(x!.shape, filter!.shape, attributes);
    requireScale('the image', xScale, [1, x!.shape[0]!]);
    requireScale('the filter', filterScale, [1, filter!.shape[3]!]);
    return [real([x!.shape[0]!, attributes.outHeight, attributes.outWidth, filter!.shape[3]!])];
  },
  params: {
    ...geometry,
    x: 'operand',
    filter: 'operand',
    xScaleCount: 'i32',
    filterScaleCount: 'i32',
    exactTerms: 'i32',
  },
  pack([x, filter, xScale, filterScale], attributes) {
    return {
      ...geometryOf(x!.shape, filter!.shape, attributes, stepOf(x!) * stepOf(filter!)),
      x: operandOf(x!),
      filter: operandOf(filter!),
      xScaleCount: scaleCount(xScale),
      filterScaleCount: scaleCount(filterScale),
      exactTerms: exactTerms(x!, filter!),
    };
  },
  /** Floats: a scale per padded output channel and per sample; then the filters, or decoded x of a dense layer. */
  scratchBytes(p) {
    const depth = p.kernelHeight * p.kernelWidth * p.inChannels;
    const columns = paddedColumns(p.outChannels);
    const rest = isDense(p) ? p.batch * (depth + densePadding) : depth * columns;
    return (columns + p.batch + rest) * Float32Array.BYTES_PER_ELEMENT;
  },
  reference({ x, filter, xScale, filterScale, y }, p) {
    let out = 0;
    for (let n = 0; n < p.batch; n++)
      for (let oh = 0; oh < p.outHeight; oh++)
        for (let ow = 0; ow < p.outWidth; ow++)
          for (let k = 0; k < p.outChannels; k++) {
            let sum = 0;
            for (let kh = 0; kh < p.kernelHeight; kh++) {
              const h = oh * p.stride + kh - p.padTop;
              if (h < 0 || h >= p.height) continue;
              for (let kw = 0; kw < p.kernelWidth; kw++) {
                const w = ow * p.stride + kw - p.padLeft;
                if (w < 0 || w >= p.width) continue;
                const pixel = ((n * p.height + h) * p.width + w) * p.inChannels;
                const tap = (kh * p.kernelWidth + kw) * p.inChannels;
                for (let c = 0; c < p.inChannels; c++) {
                  sum += decode(p.x, x![pixel + c]!, c) * decode(p.filter, filter![(tap + c) * p.outChannels + k]!, k);
                }
              }
            }
            const scale = Math.fround(
              scaleAt(xScale, p.xScaleCount, n, p.factor) * scaleAt(filterScale, p.filterScaleCount, k, 1),
            );
            y![out++] = Math.fround(sum) * scale;
          }
  },
});

/** fround(scale * factor): one of one, or one of many scales. */
function scaleAt(scale: TypedArray | undefined, count: number, index: number, factor: number): number {
  return count === 0 ? factor : Math.fround(scale![count === 1 ? 0 : index]! * factor);
}

export interface Conv2dInputGradientAttributes extends Conv2dAttributes {
  /** Of the image whose gradient is computed. */
  readonly height: number;
  readonly width: number;
}

export const conv2dInputGradient = defineOp({
  name: 'conv2d-input-gradient',
  inputs: ['dy', 'filter', 'dyScale?', 'filterScale?'],
  outputs: ['dx'],
  infer([dy, filter, dyScale, filterScale]: InputTypes, attributes: Conv2dInputGradientAttributes) {
    requireRank4('the gradient', dy!);
    requireRank4('the filter', filter!);
    const shape = [dy!.shape[0]!, attributes.height, attributes.width, filter!.shape[2]!];
    requireGeometry(shape, filter!.shape, attributes);
    requireScale('the gradient', dyScale, [1, dy!.shape[0]!]);
    requireScale('the filter', filterScale, [1, filter!.shape[3]!]);
    return [real(shape)];
  },
  params: {
    ...geometry,
    dy: 'operand',
    filter: 'operand',
    dyScaleCount: 'i32',
    filterScaleCount: 'i32',
    exactTerms: 'i32',
  },
  pack([dy, filter, dyScale, filterScale], attributes) {
    const shape = [dy!.shape[0]!, attributes.height, attributes.width, filter!.shape[2]!];
    return {
      ...geometryOf(shape, filter!.shape, attributes, stepOf(dy!) * stepOf(filter!)),
      dy: operandOf(dy!),
      filter: operandOf(filter!),
      dyScaleCount: scaleCount(dyScale),
      filterScaleCount: scaleCount(filterScale),
      // A scale per output channel makes the filter real.
      exactTerms: scaleCount(filterScale) > 1 ? exactTerms(dy!, real([])) : exactTerms(dy!, filter!),
    };
  },
  /** Floats: a scale per padded channel (of every tap) and per sample; then the filters, or decoded dy of a dense layer. */
  scratchBytes(p) {
    const columns = p.kernelHeight * p.kernelWidth * paddedColumns(p.inChannels);
    const rest = isDense(p) ? p.batch * (p.outChannels + densePadding) : p.outChannels * columns;
    return (columns + p.batch + rest) * Float32Array.BYTES_PER_ELEMENT;
  },
  reference({ dy, filter, dyScale, filterScale, dx }, p) {
    // A scale per output channel rides on the dimension that is summed over here, so it cannot leave the sum.
    const perChannel = p.filterScaleCount > 1;
    let out = 0;
    for (let n = 0; n < p.batch; n++)
      for (let h = 0; h < p.height; h++)
        for (let w = 0; w < p.width; w++)
          for (let c = 0; c < p.inChannels; c++) {
            let sum = 0;
            for (let kh = 0; kh < p.kernelHeight; kh++) {
              const oh = (h + p.padTop - kh) / p.stride;
              if (!Number.isInteger(oh) || oh < 0 || oh >= p.outHeight) continue;
              for (let kw = 0; kw < p.kernelWidth; kw++) {
                const ow = (w + p.padLeft - kw) / p.stride;
                if (!Number.isInteger(ow) || ow < 0 || ow >= p.outWidth) continue;
                const pixel = ((n * p.outHeight + oh) * p.outWidth + ow) * p.outChannels;
                const tap = ((kh * p.kernelWidth + kw) * p.inChannels + c) * p.outChannels;
                for (let k = 0; k < p.outChannels; k++) {
                  const weight = decode(p.filter, filter![tap + k]!, k);
                  const scaled = perChannel ? Math.fround(weight * filterScale![k]!) : weight;
                  sum += decode(p.dy, dy![pixel + k]!, k) * scaled;
                }
              }
            }
            const filterFactor = perChannel ? 1 : scaleAt(filterScale, p.filterScaleCount, 0, 1);
            dx![out++] = Math.fround(sum) * Math.fround(scaleAt(dyScale, p.dyScaleCount, n, p.factor) * filterFactor);
          }
  },
});

export interface Conv2dFilterGradientAttributes extends Conv2dAttributes {
  readonly kernelHeight: number;
  readonly kernelWidth: number;
}

export const conv2dFilterGradient = defineOp({
  name: 'conv2d-filter-gradient',
  inputs: ['x', 'dy', 'xScale?', 'dyScale?'],
  outputs: ['dFilter'],
  infer([x, dy, xScale, dyScale]: InputTypes, attributes: Conv2dFilterGradientAttributes) {
    requireRank4('the image', x!);
    requireRank4('the gradient', dy!);
    const shape = [attributes.kernelHeight, attributes.kernelWidth, x!.shape[3]!, dy!.shape[3]!];
    requireGeometry(x!.shape, shape, attributes);
    requireScale('the image', xScale, [1, x!.shape[0]!]);
    requireScale('the gradient', dyScale, [1, x!.shape[0]!]);
    return [real(shape)];
  },
  params: {
    ...geometry,
    x: 'operand',
    dy: 'operand',
    xScaleCount: 'i32',
    dyScaleCount: 'i32',
    exactTerms: 'i32',
    /** The batch is summed in this many blocks of consecutive samples, whatever the number of threads. */
    blocks: 'i32',
  },
  pack([x, dy, xScale, dyScale], attributes) {
    const shape = [attributes.kernelHeight, attributes.kernelWidth, x!.shape[3]!, dy!.shape[3]!];
    const convolution = geometryOf(x!.shape, shape, attributes, stepOf(x!) * stepOf(dy!));
    const blocks = isDense(convolution)
      ? 1
      : Math.min(convolution.batch, maxBlocks, Math.floor(maxPartialElements / sizeOf(shape)));
    return {
      ...convolution,
      x: operandOf(x!),
      dy: operandOf(dy!),
      xScaleCount: scaleCount(xScale),
      dyScaleCount: scaleCount(dyScale),
      exactTerms: exactTerms(x!, dy!),
      blocks: Math.max(1, blocks),
    };
  },
  /** Floats: a scale per sample; a partial dFilter per block, unless there is only one. */
  scratchBytes(p) {
    const filterFloats = p.kernelHeight * p.kernelWidth * p.inChannels * p.outChannels;
    return (p.batch + (p.blocks > 1 ? p.blocks * filterFloats : 0)) * Float32Array.BYTES_PER_ELEMENT;
  },
  reference({ x, dy, xScale, dyScale, dFilter }, p) {
    let out = 0;
    for (let kh = 0; kh < p.kernelHeight; kh++)
      for (let kw = 0; kw < p.kernelWidth; kw++)
        for (let c = 0; c < p.inChannels; c++)
          for (let k = 0; k < p.outChannels; k++) {
            let total = 0;
            for (let n = 0; n < p.batch; n++) {
              let sum = 0;
              for (let oh = 0; oh < p.outHeight; oh++) {
                const h = oh * p.stride + kh - p.padTop;
                if (h < 0 || h >= p.height) continue;
                for (let ow = 0; ow < p.outWidth; ow++) {
                  const w = ow * p.stride + kw - p.padLeft;
                  if (w < 0 || w >= p.width) continue;
                  const left = decode(p.x, x![((n * p.height + h) * p.width + w) * p.inChannels + c]!, c);
                  sum += left * decode(p.dy, dy![((n * p.outHeight + oh) * p.outWidth + ow) * p.outChannels + k]!, k);
                }
              }
              const scale = Math.fround(
                scaleAt(xScale, p.xScaleCount, n, p.factor) * scaleAt(dyScale, p.dyScaleCount, n, 1),
              );
              total += sum * scale;
            }
            dFilter![out++] = total;
          }
  },
});

/** Enough blocks to keep a dozen threads busy, and partial sums that stay in the cache: adding them costs 5 % at 4 MB. */
const maxBlocks = 32;
const maxPartialElements = 1 << 19;
