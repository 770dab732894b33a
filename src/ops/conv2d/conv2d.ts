/**
 * Two-dimensional convolution and its two gradients: the three products of a training step (DoReFa-Net, algorithm 1).
 *
 *     conv2d                   y       = x (*) filter          W x A
 *     conv2d-input-gradient    dx      = dy (*)^T filter       W x G
 *     conv2d-filter-gradient   dFilter = x (*) dy              A x G
 *
 * Layouts: x [N, H, W, C], filter [KH, KW, C / groups, K], y [N, OH, OW, K]. A dense layer is the case H = W = KH = KW = 1.
 * Strides, dilation, groups and padding: geometry.ts.
 *
 * Each operand is real or quantized. The product is taken of the elements as `decode` gives them, exactly over integers
 * when both are quantized; then it is multiplied by factor (the product of the operands' steps) and their dynamic scales.
 * A scale per sample (quantized gradients, paper 2.5) stays outside the product of one sample and inside the sum over the
 * batch, which is why the filter gradient takes it; a scale per output channel leaves the forward product, but not the
 * input gradient's, whose filter is then real. Padding adds integer 0.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
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
import {
  type Conv2dAttributes,
  exactTerms,
  filterElements,
  geometry,
  geometryOf,
  isDense,
  requireGeometry,
  requireOperand,
  requireScale,
  scaleCount,
} from './geometry.js';

export type { Conv2dAttributes } from './geometry.js';

/** Columns of a packed matrix as kernels pad them: to whole vectors of at most 16 floats. */
function paddedColumns(columns: number): number {
  return Math.ceil(columns / 16) * 16;
}

/** Floats between the decoded rows of a dense layer (dense.h). */
const densePadding = 16;

export const conv2d = defineOp({
  name: 'conv2d',
  inputs: ['x', 'filter', 'xScale?', 'filterScale?'],
  outputs: ['y'],
  infer([x, filter, xScale, filterScale]: InputTypes, attributes: Conv2dAttributes) {
    requireOperand('the image', x!);
    requireOperand('the filter', filter!);
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
  /**
   * Floats: a scale per padded output channel (of every group) and per sample; then the filters, or decoded x of a dense
   * layer.
   */
  scratchBytes(p) {
    const depth = (p.kernelHeight * p.kernelWidth * p.inChannels) / p.groups;
    const columns = p.groups * paddedColumns(p.outChannels / p.groups);
    const rest = isDense(p) ? p.batch * (depth + densePadding) : depth * columns;
    return (columns + p.batch + rest) * Float32Array.BYTES_PER_ELEMENT;
  },
  reference({ x, filter, xScale, filterScale, y }, p) {
    const groupChannels = p.inChannels / p.groups;
    const groupOutputs = p.outChannels / p.groups;
    let out = 0;
    for (let n = 0; n < p.batch; n++)
      for (let oh = 0; oh < p.outHeight; oh++)
        for (let ow = 0; ow < p.outWidth; ow++)
          for (let k = 0; k < p.outChannels; k++) {
            const first = Math.floor(k / groupOutputs) * groupChannels;
            let sum = 0;
            for (let kh = 0; kh < p.kernelHeight; kh++) {
              const h = oh * p.stride + kh * p.dilation - p.padTop;
              if (h < 0 || h >= p.height) continue;
              for (let kw = 0; kw < p.kernelWidth; kw++) {
                const w = ow * p.stride + kw * p.dilation - p.padLeft;
                if (w < 0 || w >= p.width) continue;
                const pixel = ((n * p.height + h) * p.width + w) * p.inChannels + first;
                const tap = (kh * p.kernelWidth + kw) * groupChannels;
                for (let c = 0; c < groupChannels; c++) {
                  const left = decode(p.x, x![pixel + c]!, first + c);
                  sum += left * decode(p.filter, filter![(tap + c) * p.outChannels + k]!, k);
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

function imageShape(dy: TensorType, filter: TensorType, attributes: Conv2dInputGradientAttributes): Shape {
  const { height, width, groups = 1 } = attributes;
  return [dy.shape[0]!, height, width, filter.shape[2]! * groups];
}

export const conv2dInputGradient = defineOp({
  name: 'conv2d-input-gradient',
  inputs: ['dy', 'filter', 'dyScale?', 'filterScale?'],
  outputs: ['dx'],
  infer([dy, filter, dyScale, filterScale]: InputTypes, attributes: Conv2dInputGradientAttributes) {
    requireOperand('the gradient', dy!);
    requireOperand('the filter', filter!);
    const shape = imageShape(dy!, filter!, attributes);
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
    const shape = imageShape(dy!, filter!, attributes);
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
  /**
   * Floats: a scale per padded channel (of every tap and group) and per sample; then the filters, or decoded dy of a dense
   * layer.
   */
  scratchBytes(p) {
    const columns = p.kernelHeight * p.kernelWidth * p.groups * paddedColumns(p.inChannels / p.groups);
    const rest = isDense(p) ? p.batch * (p.outChannels + densePadding) : (p.outChannels / p.groups) * columns;
    return (columns + p.batch + rest) * Float32Array.BYTES_PER_ELEMENT;
  },
  reference({ dy, filter, dyScale, filterScale, dx }, p) {
    // A scale per output channel rides on the dimension that is summed over here, so it cannot leave the sum.
    const perChannel = p.filterScaleCount > 1;
    const groupChannels = p.inChannels / p.groups;
    const groupOutputs = p.outChannels / p.groups;
    let out = 0;
    for (let n = 0; n < p.batch; n++)
      for (let h = 0; h < p.height; h++)
        for (let w = 0; w < p.width; w++)
          for (let c = 0; c < p.inChannels; c++) {
            const first = Math.floor(c / groupChannels) * groupOutputs;
            let sum = 0;
            for (let kh = 0; kh < p.kernelHeight; kh++) {
              const oh = (h + p.padTop - kh * p.dilation) / p.stride;
              if (!Number.isInteger(oh) || oh < 0 || oh >= p.outHeight) continue;
              for (let kw = 0; kw < p.kernelWidth; kw++) {
                const ow = (w + p.padLeft - kw * p.dilation) / p.stride;
                if (!Number.isInteger(ow) || ow < 0 || ow >= p.outWidth) continue;
                const pixel = ((n * p.outHeight + oh) * p.outWidth + ow) * p.outChannels;
                const tap = ((kh * p.kernelWidth + kw) * groupChannels + (c % groupChannels)) * p.outChannels;
                for (let k = first; k < first + groupOutputs; k++) {
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

function filterShape(x: TensorType, dy: TensorType, attributes: Conv2dFilterGradientAttributes): Shape {
  const { kernelHeight, kernelWidth, groups = 1 } = attributes;
  return [kernelHeight, kernelWidth, x.shape[3]! / groups, dy.shape[3]!];
}

export const conv2dFilterGradient = defineOp({
  name: 'conv2d-filter-gradient',
  inputs: ['x', 'dy', 'xScale?', 'dyScale?'],
  outputs: ['dFilter'],
  infer([x, dy, xScale, dyScale]: InputTypes, attributes: Conv2dFilterGradientAttributes) {
    requireOperand('the image', x!);
    requireOperand('the gradient', dy!);
    const shape = filterShape(x!, dy!, attributes);
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
    const shape = filterShape(x!, dy!, attributes);
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
    return (p.batch + (p.blocks > 1 ? p.blocks * filterElements(p) : 0)) * Float32Array.BYTES_PER_ELEMENT;
  },
  reference({ x, dy, xScale, dyScale, dFilter }, p) {
    const groupChannels = p.inChannels / p.groups;
    const groupOutputs = p.outChannels / p.groups;
    let out = 0;
    for (let kh = 0; kh < p.kernelHeight; kh++)
      for (let kw = 0; kw < p.kernelWidth; kw++)
        for (let i = 0; i < groupChannels; i++)
          for (let k = 0; k < p.outChannels; k++) {
            const c = Math.floor(k / groupOutputs) * groupChannels + i;
            let total = 0;
            for (let n = 0; n < p.batch; n++) {
              let sum = 0;
              for (let oh = 0; oh < p.outHeight; oh++) {
                const h = oh * p.stride + kh * p.dilation - p.padTop;
                if (h < 0 || h >= p.height) continue;
                for (let ow = 0; ow < p.outWidth; ow++) {
                  const w = ow * p.stride + kw * p.dilation - p.padLeft;
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
