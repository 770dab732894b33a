/**
 * Two-dimensional convolution of integers: the product of deployed networks (DoReFa-Net 2.1, 2.8).
 *
 *     y[n, oh, ow, k] = sign[k] * sum over taps and channels of x * w        all integers, exact
 *
 * Layouts: x [N, H, W, C], filter [KH, KW, C / groups, K], y [N, OH, OW, K]. Group g has K / groups consecutive output
 * channels and takes C / groups consecutive input channels; depthwise is groups = C. Each operand stores levels or plain
 * integers, as its encoding says. Padding adds integer 0, which need not be a level. The sum's static bound must be below
 * 2^31, so that 32-bit accumulators hold it whatever the image.
 *
 * Signs [K], +1 everywhere when absent, turn output channels. They say nothing that the filter could not; but a filter of few
 * codewords (../codewords.ts) whose channels are turned has the codewords' complements, too.
 */
import { defineOp, type InputTypes, type ParamValues } from '../../core/op.js';
import {
  decode,
  describe,
  integer,
  largestInteger,
  operandOf,
  type TensorType,
  type TypedArray,
} from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';

export interface IntegerConv2dAttributes {
  readonly stride: number;
  readonly dilation: number;
  readonly groups: number;
  /** Rows and columns of padding before the image; what is needed after it follows from the output's size. */
  readonly padTop: number;
  readonly padLeft: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** Shared by every op that convolves integers. */
export const integerGeometry = {
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
  dilation: 'i32',
  padTop: 'i32',
  padLeft: 'i32',
  groups: 'i32',
} as const;

export type IntegerGeometry = ParamValues<typeof integerGeometry>;

/** Throws when the shapes and attributes do not fit. `filterShape` is [KH, KW, C / groups, K]. */
export function integerGeometryOf(
  x: TensorType,
  filterShape: readonly number[],
  attributes: IntegerConv2dAttributes,
): IntegerGeometry {
  if (x.shape.length !== 4) throw new SubbitError(`needs an NHWC image, not ${describe(x)}`);
  if (filterShape.length !== 4) throw new SubbitError(`the filter must have four dimensions, not [${filterShape}]`);
  const [batch, height, width, inChannels] = x.shape as [number, number, number, number];
  const [kernelHeight, kernelWidth, groupChannels, outChannels] = filterShape as [number, number, number, number];
  const { stride, dilation, groups, padTop, padLeft, outHeight, outWidth } = attributes;
  for (const [name, value] of Object.entries({ stride, dilation, groups, kernelHeight, kernelWidth, outChannels })) {
    if (!(Number.isSafeInteger(value) && value >= 1))
      throw new SubbitError(`${name} must be a positive integer, not ${value}`);
  }
  if (groupChannels * groups !== inChannels || outChannels % groups !== 0) {
    throw new SubbitError(
      `a [${filterShape.join(', ')}] filter in ${groups} groups does not fit ${inChannels} input channels`,
    );
  }
  requireWindows('height', height, outHeight, padTop, kernelHeight, stride, dilation);
  requireWindows('width', width, outWidth, padLeft, kernelWidth, stride, dilation);
  return {
    ...{ batch, height, width, inChannels, outHeight, outWidth, outChannels, kernelHeight, kernelWidth },
    ...{ stride, dilation, padTop, padLeft, groups },
  };
}

/** Every window begins before the image's end, and padding is smaller than the filter. */
function requireWindows(
  axis: string,
  extent: number,
  out: number,
  pad: number,
  size: number,
  stride: number,
  dilation: number,
): void {
  const reach = (size - 1) * dilation + 1;
  const isInteger = Number.isSafeInteger(out) && Number.isSafeInteger(pad) && Number.isSafeInteger(extent);
  if (isInteger && extent >= 1 && out >= 1 && pad >= 0 && pad < reach && (out - 1) * stride - pad < extent) return;
  throw new SubbitError(
    `a window of ${reach} with stride ${stride} and padding ${pad} gives no output ${axis} of ${out} on ${extent} pixels`,
  );
}

/** The static bound of a sum of products, below 2^31. */
export function accumulatorBound(x: TensorType, filter: TensorType): number {
  const [kernelHeight, kernelWidth, channels] = filter.shape as [number, number, number];
  const terms = kernelHeight * kernelWidth * channels;
  const bound = terms * largestInteger(x.encoding!) * largestInteger(filter.encoding!);
  if (bound >= 2 ** 31) {
    throw new SubbitError(`${terms} products of ${describe(x)} and ${describe(filter)} can pass 2^31; use fewer bits`);
  }
  return bound;
}

export const integerConv2d = defineOp({
  name: 'integer-conv2d',
  inputs: ['x', 'filter', 'signs?'],
  outputs: ['y'],
  infer([x, filter, signs]: InputTypes, attributes: IntegerConv2dAttributes) {
    requireInteger(x!);
    requireInteger(filter!);
    if (signs !== undefined) requireSigns(signs, filter!.shape[3]!);
    if ((filter!.encoding!.zeroPoints?.length ?? 1) > 1) throw new SubbitError('a filter has one zero point');
    integerGeometryOf(x!, filter!.shape, attributes);
    const { outHeight, outWidth } = attributes;
    const step = x!.encoding!.step * filter!.encoding!.step;
    return [integer([x!.shape[0]!, outHeight, outWidth, filter!.shape[3]!], accumulatorBound(x!, filter!), { step })];
  },
  params: { ...integerGeometry, x: 'operand', filter: 'operand', xBytes: 'i32', filterBytes: 'i32' },
  pack: ([x, filter], attributes) => ({
    ...integerGeometryOf(x!, filter!.shape, attributes),
    x: operandOf(x!),
    filter: operandOf(filter!),
    xBytes: elementBytes(x!),
    filterBytes: elementBytes(filter!),
  }),
  reference({ x, filter, signs, y }, p) {
    convolve(
      p,
      (index, channel) => decode(p.x, x![index]!, channel),
      (index, k) => decode(p.filter, filter![index]!, k),
      (index, sum, k) => {
        y![index] = signs?.[k] === 0 ? -sum : sum;
      },
    );
  },
});

/** The walk over outputs, taps and channels that defines a convolution. `weightAt` takes the index in a filter [KH, KW, C / groups, K]. */
export function convolve(
  p: IntegerGeometry,
  valueAt: (index: number, channel: number) => number,
  weightAt: (index: number, outChannel: number) => number,
  store: (index: number, sum: number, outChannel: number) => void,
): void {
  const groupInputs = p.inChannels / p.groups;
  const groupOutputs = p.outChannels / p.groups;
  let out = 0;
  for (let n = 0; n < p.batch; n++)
    for (let oh = 0; oh < p.outHeight; oh++)
      for (let ow = 0; ow < p.outWidth; ow++)
        for (let k = 0; k < p.outChannels; k++) {
          const firstChannel = Math.floor(k / groupOutputs) * groupInputs;
          let sum = 0;
          for (let kh = 0; kh < p.kernelHeight; kh++) {
            const h = oh * p.stride + kh * p.dilation - p.padTop;
            if (h < 0 || h >= p.height) continue;
            for (let kw = 0; kw < p.kernelWidth; kw++) {
              const w = ow * p.stride + kw * p.dilation - p.padLeft;
              if (w < 0 || w >= p.width) continue;
              const pixel = ((n * p.height + h) * p.width + w) * p.inChannels + firstChannel;
              const tap = (kh * p.kernelWidth + kw) * groupInputs;
              for (let c = 0; c < groupInputs; c++) {
                sum += valueAt(pixel + c, firstChannel + c) * weightAt((tap + c) * p.outChannels + k, k);
              }
            }
          }
          store(out++, sum, k);
        }
}

function requireSigns(signs: TensorType, channels: number): void {
  const { kind, max } = signs.encoding ?? {};
  if (signs.shape.join() === String(channels) && kind === 'bipolar' && max === 1) return;
  throw new SubbitError(
    `needs the signs of ${channels} output channels, bipolar levels of 1 bit, not ${describe(signs)}`,
  );
}

/** A stored filter [KH, KW, C / groups, K] whose channels with the sign -1 are turned. */
export function withSigns<T extends TypedArray>(filter: T, { encoding }: TensorType, signs: ArrayLike<number>): T {
  const signed = filter.slice() as T;
  for (let i = 0; i < signed.length; i++) {
    if (signs[i % signs.length] === 0)
      signed[i] = encoding!.kind === 'bipolar' ? encoding!.max - signed[i]! : -signed[i]!;
  }
  return signed;
}

export function requireInteger(type: TensorType): void {
  if (type.encoding === undefined) throw new SubbitError(`needs a quantized tensor, not ${describe(type)}`);
}

function elementBytes({ dtype }: TensorType): number {
  return { u8: 1, i16: 2, i32: 4, f32: 4 }[dtype];
}
