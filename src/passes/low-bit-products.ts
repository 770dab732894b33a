/**
 * The three products of a training step on integer operands, straight from the quantizers, and the products that stay float
 * with the reason why.
 *
 * Results of the first two are integers with the product of the operands' steps and scales (Value.scale), 16 bits wide where
 * the static bound allows. The filter's gradient is real: its per-sample scales are inside the sum over the batch.
 */
import type { Node, Value } from '../core/graph.js';
import { largestInteger, operandOf, type Shape, sizeOf, type TensorType } from '../core/tensor.js';
import type { Conv2dAttributes } from '../ops/conv2d/conv2d.js';
import { geometryOf, isDense } from '../ops/conv2d/geometry.js';
import { reshape } from '../ops/elementwise/elementwise.js';
import { filterOffsets, reverseFilter } from '../ops/filter/filter.js';
import { conv2dFilterGradientDot, whyNotDot } from '../ops/filter-gradient/filter-gradient.js';
import type { IntegerConv2dAttributes } from '../ops/integer-conv2d/integer-conv2d.js';
import { type Family, type FamilyName, families, weightKindOf } from '../ops/packed-conv2d/families.js';
import { chooseKernel, tableInputsOf } from '../ops/packed-conv2d/kernel-choice.js';
import { combineScales } from '../ops/quantize/scales.js';
import { groupFilters } from '../ops/selection/group-filters.js';
import type { Rewrite } from './rewrite.js';

export interface ProductChoice {
  /** The node's name in the graph that came in. */
  readonly name: string;
  readonly product: 'forward' | 'input gradient' | 'filter gradient';
  /** 'float', or a kernel family. */
  readonly kernel: FamilyName | 'float';
  /** Why it stays float. */
  readonly reason?: string;
}

/** A convolution of stored bytes with a filter of levels, however its operands came about. */
interface Convolution {
  readonly name: string;
  readonly x: Value;
  readonly filter: Value;
  readonly attributes: IntegerConv2dAttributes;
  /** The most distinct patterns that a binary 3x3 filter can have, where they are few. */
  readonly codewords?: number | undefined;
  /** Of the tensor whose memory the result is. */
  readonly outShape: Shape;
}

export class LowBitProducts {
  readonly choices: ProductChoice[] = [];
  readonly #rewrite: Rewrite;
  readonly #isa: string;

  constructor(rewrite: Rewrite, isa: string) {
    this.#rewrite = rewrite;
    this.#isa = isa;
  }

  /** conv2d -> the integers of y; undefined where it stays float. */
  forward(node: Node): Value | undefined {
    const [x, filter, xScale, filterScale] = node.inputs as [Value, Value, Value?, Value?];
    const reason =
      whyNotFilter(filter.type, filterScale?.type) ?? whyNotLevels(x.type) ?? whyNotScale('input', xScale?.type);
    const isMatrix = isDense(geometryOf(x.type.shape, filter.type.shape, node.attributes, 1));
    const family = this.#choose(node, 'forward', reason, isMatrix);
    if (family === undefined) return undefined;
    const attributes = completed(node.attributes);
    const convolution = { name: node.name, attributes, outShape: node.outputs[0]!.type.shape };
    const operands = { x: this.#rewrite.valueOf(x), filter: this.#rewrite.valueOf(filter) };
    const step = x.type.encoding!.step * filter.type.encoding!.step;
    const [scale, ownStep] = this.#scaleOf(node.name, step, xScale, filterScale);
    const codewords = codewordsOf(filter);
    if (!isMatrix) return this.#convolve(family, { ...convolution, ...operands, codewords }, ownStep, scale);
    const [samples] = x.type.shape as [number];
    const inputs = sizeOf(x.type.shape) / samples;
    const matrices = {
      x: this.#reshaped(operands.x, [samples, 1, 1, inputs]),
      filter: this.#reshaped(operands.filter, [1, 1, inputs, filter.type.shape[3]!]),
      attributes: onePixel,
    };
    return this.#convolve(family, { ...convolution, ...matrices }, ownStep, scale);
  }

  /** The scale and step of a product of operands with these scales, rounded as the simulated product rounds. */
  #scaleOf(
    name: string,
    step: number,
    left: Value | undefined,
    filter: Value | undefined,
  ): [Value | undefined, number] {
    const scales = [left, filter].map((scale) => scale && this.#rewrite.valueOf(scale));
    if (scales[0] === undefined || scales[1] === undefined) return [scales[0] ?? scales[1], step];
    return [this.#rewrite.target.apply(combineScales, `${name}/scale`, scales, { factor: step }), 1];
  }

  /** conv2d-input-gradient -> the integers of dx; undefined where it stays float. */
  inputGradient(node: Node): Value | undefined {
    const [dy, filter, dyScale, filterScale] = node.inputs as [Value, Value, Value?, Value?];
    const attributes = completed(node.attributes);
    const outShape = node.outputs[0]!.type.shape;
    const isMatrix = isDense(geometryOf(outShape, filter.type.shape, node.attributes, 1));
    const reason =
      whyNotGradient(dy.type, dyScale?.type) ??
      whyNotFilter(filter.type, filterScale?.type) ??
      (attributes.groups > 1 ? `filters of ${attributes.groups} groups` : undefined) ??
      (isMatrix ? undefined : whyNotReversed(attributes, filter.type.shape, dy.type.shape, outShape));
    const family = this.#choose(node, 'input gradient', reason, isMatrix);
    if (family === undefined) return undefined;
    const { target } = this.#rewrite;
    const [inputs, outputs] = [sizeOf(outShape) / outShape[0]!, filter.type.shape[3]!];
    const forward = this.#rewrite.valueOf(filter);
    const matrix = isMatrix ? this.#reshaped(forward, [1, 1, inputs, outputs]) : forward;
    const convolution = {
      ...{ name: node.name, outShape, x: this.#rewrite.valueOf(dy) },
      filter: target.apply(reverseFilter, `${node.name}/filter`, [matrix], {}, forward.scale),
      attributes: isMatrix ? onePixel : reversed(attributes, filter.type.shape, outShape),
    };
    const step = dy.type.encoding!.step * filter.type.encoding!.step;
    const [scale, ownStep] = this.#scaleOf(node.name, step, dyScale, filterScale);
    return this.#convolve(family, convolution, ownStep, scale);
  }

  /** conv2d-filter-gradient -> dFilter; undefined where it stays float. */
  filterGradient(node: Node): Value | undefined {
    const [x, dy, xScale, dyScale] = node.inputs as [Value, Value, Value?, Value?];
    const reason =
      whyNotGradient(dy.type, dyScale?.type) ??
      whyNotLevels(x.type) ??
      whyNotScale('input', xScale?.type) ??
      (sizeOf(dyScale!.type.shape) === dy.type.shape[0] ? undefined : 'its gradient has one scale for all samples') ??
      whyNotDot(x.type, dy.type, node.attributes);
    this.#note(node, 'filter gradient', reason === undefined ? 'dot' : 'float', reason);
    if (reason !== undefined) return undefined;
    const { target } = this.#rewrite;
    const [image, gradient, perSample] = [x, dy, dyScale!].map((value) => this.#rewrite.valueOf(value));
    // The image's scale is one number, so it may go with the scales that are inside the sum.
    const scale = xScale
      ? target.apply(combineScales, `${node.name}/scale`, [perSample, this.#rewrite.valueOf(xScale)], { factor: 1 })
      : perSample;
    return target.apply(conv2dFilterGradientDot, node.name, [image, gradient, scale], node.attributes);
  }

  /** Notes a product that somebody else computes. */
  stayFloat(node: Node, product: ProductChoice['product'], reason: string): void {
    this.#note(node, product, 'float', reason);
  }

  #note(node: Node, product: ProductChoice['product'], kernel: ProductChoice['kernel'], reason?: string): void {
    this.choices.push({ name: node.name, product, kernel, ...(reason === undefined ? {} : { reason }) });
  }

  /** The family that multiplies; undefined, with a note why, where the product stays float. */
  #choose(
    node: Node,
    product: 'forward' | 'input gradient',
    whyNot: string | undefined,
    isMatrix: boolean,
  ): Family | undefined {
    const choice = whyNot === undefined ? this.#kernelFor(node, product, isMatrix) : { reason: whyNot };
    this.#note(node, product, choice.family?.name ?? 'float', choice.reason);
    return choice.family;
  }

  /** `isMatrix`: all taps are input channels of one pixel. */
  #kernelFor(
    node: Node,
    product: 'forward' | 'input gradient',
    isMatrix: boolean,
  ): { family?: Family; reason?: string } {
    const [left, filter] = node.inputs as [Value, Value];
    const { groups } = completed(node.attributes);
    const [kernelHeight, kernelWidth, groupChannels, outChannels] = filter.type.shape as Extents;
    const window = kernelHeight * kernelWidth;
    const [taps, inputs] = isMatrix ? [1, window * groupChannels] : [window, groupChannels];
    const channels = [inputs, outChannels / groups] as const;
    const [groupInputs, groupOutputs] = product === 'forward' ? channels : [channels[1], channels[0]];
    const bound = taps * groupInputs * largestInteger(left.type.encoding!) * largestInteger(filter.type.encoding!);
    if (bound >= 2 ** 31) return { reason: `sums can be as large as ${bound}, more than 32 bits hold` };
    const kind = {
      ...{ groupInputs, groupOutputs, taps },
      ...weightKindOf(filter.type.encoding!)!,
      activationBits: bitsOf(left.type),
      pixels: sizeOf(node.outputs[0]!.type.shape.slice(0, 3)),
    };
    const codewords = product === 'forward' && !isMatrix ? codewordsOf(filter) : undefined;
    const name = chooseKernel(codewords === undefined ? kind : { ...kind, codewords }, this.#isa);
    if (name === 'plain') return { reason: 'one output channel per group leaves nothing to share' };
    return { family: families[name] };
  }

  /** The integers of a convolution, with `step` and `scale`. */
  #convolve(family: Family, convolution: Convolution, step: number, scale: Value | undefined): Value {
    const { target } = this.#rewrite;
    const { name, x, filter, attributes, outShape } = convolution;
    const [kernelHeight, kernelWidth, groupInputs] = filter.type.shape as Extents;
    const { multiplier, offset } = operandOf(x.type);
    const weights = weightKindOf(filter.type.encoding!)!;
    const { weightBits } = weights;
    const tableInputs = tableInputsOf(family.name, convolution.codewords, this.#isa);
    const layout = { groups: attributes.groups, weightBits, tableInputs };
    const packed = target.apply(family.pack, `${name}/packed`, [filter], layout);
    const offsets =
      offset[0] === 0 ? undefined : target.apply(filterOffsets, `${name}/offsets`, [filter], { xOffset: offset[0] });
    const terms = kernelHeight * kernelWidth * groupInputs;
    const max = terms * largestInteger(x.type.encoding!) * largestInteger(filter.type.encoding!);
    const kind = max < 2 ** 15 ? 'short accumulators' : 'accumulators';
    const y = target.apply(
      family.conv,
      name,
      [x, packed, offsets],
      {
        ...attributes,
        ...layout,
        ...family.factorsOf(weights, multiplier),
        filterShape: filter.type.shape,
        activationBits: bitsOf(x.type),
        epilogue: { kind, levels: 0, low: 0, high: 0, max, step },
      },
      scale,
    );
    return this.#reshaped(y, outShape);
  }

  /** The same memory under another shape. */
  #reshaped(value: Value, shape: Shape): Value {
    if (value.type.shape.join() === shape.join()) return value;
    return this.#rewrite.target.apply(reshape, `${value.name}/reshaped`, [value], { shape }, value.scale);
  }
}

/** Height, width, input and output channels of a filter. */
type Extents = readonly [number, number, number, number];

/** Of a product of matrices: a filter as large as the image, both taken as rows. */
const onePixel: IntegerConv2dAttributes = {
  ...{ stride: 1, dilation: 1, groups: 1, padTop: 0, padLeft: 0 },
  ...{ outHeight: 1, outWidth: 1 },
};

function completed(attributes: Conv2dAttributes): IntegerConv2dAttributes {
  const { stride, dilation = 1, groups = 1, padTop, padLeft, outHeight, outWidth } = attributes;
  return { stride, dilation, groups, padTop, padLeft, outHeight, outWidth };
}

/** The convolution of dy that gives dx, for stride 1. */
function reversed(forward: IntegerConv2dAttributes, filter: Shape, image: Shape): IntegerConv2dAttributes {
  const { dilation, padTop, padLeft } = forward;
  return {
    ...forward,
    padTop: (filter[0]! - 1) * dilation - padTop,
    padLeft: (filter[1]! - 1) * dilation - padLeft,
    outHeight: image[1]!,
    outWidth: image[2]!,
  };
}

/** Why dx is no convolution of dy with the reversed filter. */
function whyNotReversed(p: IntegerConv2dAttributes, filter: Shape, dy: Shape, image: Shape): string | undefined {
  if (p.stride > 1) return 'with a stride it is no convolution of the gradient';
  const { padTop, padLeft, outHeight, outWidth } = reversed(p, filter, image);
  const isCropped = outHeight - 1 - padTop >= dy[1]! || outWidth - 1 - padLeft >= dy[2]!;
  return isCropped ? 'its output leaves out part of the image' : undefined;
}

/** How many codewords a filter is drawn from; undefined where they may be all. */
function codewordsOf({ node }: Value): number | undefined {
  return node?.op === groupFilters ? sizeOf(node.inputs[1]!.type.shape) : undefined;
}

function bitsOf({ encoding }: TensorType): number {
  return Math.ceil(Math.log2(encoding!.max + 1));
}

function whyNotLevels({ encoding }: TensorType): string | undefined {
  if (encoding === undefined) return 'its input is real';
  if (encoding.kind !== 'levels') return `its input is ${encoding.kind}`;
  return encoding.zeroPoints?.some((point) => point !== 0) ? 'its input has zero points' : undefined;
}

function whyNotFilter({ encoding }: TensorType, scale: TensorType | undefined): string | undefined {
  if (encoding === undefined) return 'its filter is real';
  if (!Number.isInteger(Math.log2(encoding.max + 1)))
    return `its filter has ${encoding.max + 1} levels, no power of two`;
  if (weightKindOf(encoding) === undefined)
    return 'its filter is neither bipolar nor levels about a zero in their middle';
  return scale !== undefined && sizeOf(scale.shape) > 1 ? 'its filter has a scale per channel' : undefined;
}

function whyNotScale(what: string, scale: TensorType | undefined): string | undefined {
  return scale !== undefined && sizeOf(scale.shape) > 1 ? `its ${what} has a scale per sample` : undefined;
}

function whyNotGradient({ encoding }: TensorType, scale: TensorType | undefined): string | undefined {
  if (encoding === undefined) return 'its gradient is real';
  if (encoding.kind !== 'bipolar' || scale === undefined) return 'its gradient is not bipolar with a scale per sample';
  return undefined;
}
