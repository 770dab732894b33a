/**
 * A float layer whose output goes into levels: convolution, bias, maximum over windows, clip and quantizer in one, and the way
 * back without a tensor of the convolution's size. First layers are so (DoReFa-Net 2.7): their outputs are the largest tensors
 * of a network and were floats that one op wrote for another to read.
 *
 *     conv2d-levels                    x (*) filter + bias -> [max-pool] -> clip -> quantize-unit, a few samples at a time
 *     routed-bias-gradient             dBias = the sum of the gradients that get through
 *     conv2d-filter-gradient-routed    x (*) dy, where dy is spread over the windows piece by piece
 *
 * All that the way back wants to know of the way forward is each element's *route*, one byte: the pixel of its window that was
 * the maximum (the first one, as max-pool counts), or `nowhere` where the clip has no slope. Without windows a window is one
 * pixel.
 *
 * Each op is the composition of ops that exist, and its reference runs theirs.
 */
import { defineOp, type InputTypes, type ParamValues } from '../../core/op.js';
import {
  describe,
  maxLevel,
  operandOf,
  quantized,
  real,
  type Shape,
  sizeOf,
  stepOf,
  type TensorType,
  type TypedArray,
} from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { activate, activationKinds } from '../activation/activation.js';
import {
  type Conv2dAttributes,
  type Conv2dFilterGradientAttributes,
  conv2d,
  conv2dFilterGradient,
} from '../conv2d/conv2d.js';
import { exactTerms, geometry, geometryOf, requireGeometry, requireOperand } from '../conv2d/geometry.js';
import { addBias, channelsOf, requireReal, sumRows } from '../elementwise/elementwise.js';
import { realNumbers, requireScaled, scaledOf } from '../elementwise/scaled.js';
import { maxPoolGradient, maxPoolWindows, type PoolAttributes, poolShape } from '../pool/pool.js';
import { quantizeUnit } from '../quantize/activations.js';

/** The route of an element whose gradient goes nowhere. */
export const nowhere = 255;

export interface RoutedAttributes extends Conv2dAttributes {
  /** Its windows may not overlap: stride >= size. @default every pixel by itself */
  readonly pool?: PoolAttributes;
}

const windows = {
  windowSize: 'i32',
  windowStride: 'i32',
  windowTop: 'i32',
  windowLeft: 'i32',
  pooledHeight: 'i32',
  pooledWidth: 'i32',
} as const;

type Windows = ParamValues<typeof windows>;

function windowsOf({ pool, outHeight, outWidth }: RoutedAttributes): Windows {
  return {
    windowSize: pool?.size ?? 1,
    windowStride: pool?.stride ?? 1,
    windowTop: pool?.padTop ?? 0,
    windowLeft: pool?.padLeft ?? 0,
    pooledHeight: pool?.outHeight ?? outHeight,
    pooledWidth: pool?.outWidth ?? outWidth,
  };
}

/** The windows of `batch` samples as the pooling ops' params. */
function poolOf(p: Windows & ConvolvedShape, batch: number) {
  return {
    ...{ batch, height: p.outHeight, width: p.outWidth, channels: p.outChannels },
    ...{ outHeight: p.pooledHeight, outWidth: p.pooledWidth, size: p.windowSize, stride: p.windowStride },
    ...{ padTop: p.windowTop, padLeft: p.windowLeft },
  };
}

interface ConvolvedShape {
  readonly outHeight: number;
  readonly outWidth: number;
  readonly outChannels: number;
}

/** The shape after the windows. Throws when they overlap or do not fit. */
function pooledShape(samples: number, channels: number, { pool, outHeight, outWidth }: RoutedAttributes): Shape {
  const shape = [samples, outHeight, outWidth, channels];
  if (pool === undefined) return shape;
  if (pool.stride < pool.size)
    throw new SubbitError(`windows must not overlap: stride ${pool.stride} is smaller than the window (${pool.size})`);
  return poolShape(real(shape), pool);
}

function requirePlain({ groups = 1, dilation = 1 }: Conv2dAttributes): void {
  if (groups !== 1 || dilation !== 1)
    throw new SubbitError(`takes no groups and no dilation, not ${groups} and ${dilation}`);
}

export const conv2dLevels = defineOp({
  name: 'conv2d-levels',
  inputs: ['x', 'filter', 'bias'],
  outputs: ['levels', 'route'],
  infer([x, filter, bias]: InputTypes, attributes: RoutedAttributes & { readonly bits: number }) {
    requireOperand('the image', x!);
    requireReal(filter!);
    requireReal(bias!);
    requirePlain(attributes);
    requireGeometry(x!.shape, filter!.shape, attributes);
    const channels = channelsOf(filter!.shape);
    if (bias!.shape.join() !== String(channels))
      throw new SubbitError(`the bias ${describe(bias!)} does not fit ${channels} channels`);
    const shape = pooledShape(x!.shape[0]!, channels, attributes);
    const max = maxLevel(attributes.bits);
    return [quantized(shape, { kind: 'levels', max, step: 1 / max }), { dtype: 'u8', shape }];
  },
  params: {
    ...geometry,
    ...windows,
    x: 'operand',
    filter: 'operand',
    xBytes: 'i32',
    levels: 'i32',
    samplesAtOnce: 'i32',
    /** Of the convolution itself. */
    convolutionScratch: 'i32',
  },
  pack([x, filter], attributes) {
    const convolution = geometryOf(x!.shape, filter!.shape, attributes, stepOf(x!));
    const { outHeight, outWidth, outChannels, batch } = convolution;
    const sampleBytes = 4 * outHeight * outWidth * outChannels;
    const samplesAtOnce = Math.max(1, Math.min(batch, Math.floor(bytesAtOnce / sampleBytes)));
    const operands = { x: operandOf(x!), filter: operandOf(filter!) };
    const convolutionScratch = conv2d.scratchBytes!({ ...convolution, ...operands, ...unscaled, batch: samplesAtOnce });
    return {
      ...{ ...convolution, ...windowsOf(attributes), ...operands, samplesAtOnce, convolutionScratch },
      ...{ xBytes: x!.dtype === 'f32' ? 4 : 1, levels: maxLevel(attributes.bits) },
    };
  },
  scratchBytes: (p) => roundUp(p.convolutionScratch) + 4 * p.samplesAtOnce * p.outHeight * p.outWidth * p.outChannels,
  reference({ x, filter, bias, levels, route }, p) {
    const y = new Float32Array(p.batch * p.outHeight * p.outWidth * p.outChannels);
    const z = y.slice();
    conv2d.reference({ x: x!, filter: filter!, y }, { ...p, ...unscaled });
    addBias.reference({ x: y, bias: bias!, y: z }, { rows: y.length / p.outChannels, channels: p.outChannels });
    const maxima = new Float32Array(levels!.length);
    maxPoolWindows(poolOf(p, p.batch), z, (out, best, at) => {
      maxima[out] = best;
      route![out] = best > 0 && best < 1 ? at : nowhere;
    });
    const count = maxima.length;
    activate.reference({ x: maxima, y: maxima }, { count, kind: activationKinds.clip });
    quantizeUnit.reference({ x: maxima, levels: levels! }, { count, levels: p.levels });
  },
});

/** So much of the convolution's output stays in the caches of two cores. */
const bytesAtOnce = 1 << 20;
const roundUp = (bytes: number): number => Math.ceil(bytes / 64) * 64;
const unscaled = { xScaleCount: 0, filterScaleCount: 0, exactTerms: 2 ** 31 - 1 } as const;

const gradientParams = { dyKind: 'i32', dyStep: 'f32', dyScaleCount: 'i32' } as const;
type GradientParams = ParamValues<typeof gradientParams>;

function packGradient(dy: TensorType, dyScale: TensorType | undefined): GradientParams {
  const { kind, step, scaleCount } = scaledOf(dy, dyScale);
  return { dyKind: kind, dyStep: step, dyScaleCount: scaleCount };
}

function requireRoute(dy: TensorType, route: TensorType): void {
  if (route.dtype !== 'u8' || route.shape.join() !== dy.shape.join())
    throw new SubbitError(`the route must be bytes of dy's shape ([${dy.shape.join(', ')}]), not ${describe(route)}`);
}

/** The real numbers of dy, zero where they go nowhere. */
function passing(
  dy: TypedArray,
  dyScale: TypedArray | undefined,
  route: TypedArray,
  p: GradientParams,
  samples: number,
): Float32Array {
  const scaled = { kind: p.dyKind, step: p.dyStep, scaleCount: p.dyScaleCount };
  return Float32Array.from(realNumbers(dy, dyScale, scaled, samples), (each, i) => (route[i] === nowhere ? 0 : each));
}

export const routedBiasGradient = defineOp({
  name: 'routed-bias-gradient',
  inputs: ['dy', 'dyScale?', 'route'],
  outputs: ['dBias'],
  infer([dy, dyScale, route]: InputTypes, _: Record<string, never>) {
    requireScaled('dy', [dy, dyScale]);
    requireRoute(dy!, route!);
    return [real([channelsOf(dy!.shape)])];
  },
  params: { samples: 'i32', pixels: 'i32', channels: 'i32', ...gradientParams },
  pack([dy, dyScale]) {
    const [samples, channels] = [dy!.shape[0]!, channelsOf(dy!.shape)];
    return { samples, channels, pixels: sizeOf(dy!.shape) / samples / channels, ...packGradient(dy!, dyScale) };
  },
  /** A sum in double per sample and channel. */
  scratchBytes: (p) => p.samples * p.channels * Float64Array.BYTES_PER_ELEMENT,
  reference({ dy, dyScale, route, dBias }, p) {
    const x = passing(dy!, dyScale, route!, p, p.samples);
    sumRows.reference({ x, sum: dBias! }, { rows: p.samples * p.pixels, channels: p.channels });
  },
});

/** Attributes of conv2d-filter-gradient for the convolution's output, and the windows that dy lies in. */
export type RoutedFilterGradientAttributes = Conv2dFilterGradientAttributes & RoutedAttributes;

const filterShape = (x: TensorType, dy: TensorType, p: Conv2dFilterGradientAttributes): Shape => [
  ...[p.kernelHeight, p.kernelWidth],
  ...[x.shape[3]!, channelsOf(dy.shape)],
];

export const conv2dFilterGradientRouted = defineOp({
  name: 'conv2d-filter-gradient-routed',
  inputs: ['x', 'dy', 'dyScale?', 'route'],
  outputs: ['dFilter'],
  infer([x, dy, dyScale, route]: InputTypes, attributes: RoutedFilterGradientAttributes) {
    requireOperand('the image', x!);
    requireScaled('dy', [dy, dyScale]);
    requireRoute(dy!, route!);
    requirePlain(attributes);
    const shape = filterShape(x!, dy!, attributes);
    requireGeometry(x!.shape, shape, attributes);
    const expected = pooledShape(x!.shape[0]!, channelsOf(dy!.shape), attributes);
    if (dy!.shape.join() !== expected.join())
      throw new SubbitError(`dy must have the shape [${expected.join(', ')}], not ${describe(dy!)}`);
    return [real(shape)];
  },
  params: {
    ...geometry,
    ...windows,
    ...gradientParams,
    x: 'operand',
    /** As of conv2d-filter-gradient. */
    blocks: 'i32',
  },
  pack([x, dy, dyScale], attributes) {
    const { blocks, ...convolution } = plainParams(x!, dy!, attributes);
    return {
      ...geometryOf(x!.shape, filterShape(x!, dy!, attributes), attributes, stepOf(x!)),
      ...{ ...windowsOf(attributes), ...packGradient(dy!, dyScale), x: convolution.x, blocks },
    };
  },
  scratchBytes: (p) => conv2dFilterGradient.scratchBytes!({ ...p, ...realGradient }),
  reference({ x, dy, dyScale, route, dFilter }, p) {
    const index = route!.map((at) => (at === nowhere ? 0 : at));
    const spread = new Float32Array(p.batch * p.outHeight * p.outWidth * p.outChannels);
    const through = passing(dy!, dyScale, route!, p, p.batch);
    maxPoolGradient.reference({ dy: through, index, dx: spread }, poolOf(p, p.batch));
    conv2dFilterGradient.reference({ x: x!, dy: spread, dFilter: dFilter! }, { ...p, ...realGradient });
  },
});

/** The params of conv2d-filter-gradient for the spread dy. */
function plainParams(x: TensorType, dy: TensorType, attributes: RoutedFilterGradientAttributes) {
  const { outHeight, outWidth } = attributes;
  return conv2dFilterGradient.pack([x, real([x.shape[0]!, outHeight, outWidth, channelsOf(dy.shape)])], attributes);
}

const realGradient = {
  dy: operandOf(real([])),
  ...{ xScaleCount: 0, dyScaleCount: 0, exactTerms: exactTerms(real([]), real([])) },
} as const;
