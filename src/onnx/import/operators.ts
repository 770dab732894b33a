/** What each operator of ONNX becomes: a new one is an entry, under its name (with its domain, where it is not a standard one). */
import type { Value } from '../../core/graph.js';
import { sizeOf, type TensorType } from '../../core/tensor.js';
import type { OnnxNode } from '../../formats/onnx-model.js';
import { activate } from '../../ops/activation/activation.js';
import { batchNormalize } from '../../ops/batch-norm/batch-norm.js';
import { conv2d } from '../../ops/conv2d/conv2d.js';
import { spanOf } from '../../ops/conv2d/geometry.js';
import { add, addBias, reshape } from '../../ops/elementwise/elementwise.js';
import { averagePool, wholeImage } from '../../ops/pool/average-pool.js';
import { maxPool } from '../../ops/pool/pool.js';
import { rprelu } from '../../ops/rprelu/rprelu.js';
import { strideShortcut } from '../../ops/shortcut/shortcut.js';
import { axisOf, type Constant, combined, permuted, reshaped } from './constants.js';
import {
  type Axes,
  attribute,
  type Computed,
  encodingOf,
  type Imported,
  type Importer,
  unsupported,
} from './importer.js';
import { bipolarQuant, constantInput, dequantizeLinear, narrowed, quant, quantizeLinear } from './quantized.js';

/** Inputs that a node leaves out are undefined. */
type Operator = (importer: Importer, node: OnnxNode, inputs: readonly (Imported | undefined)[]) => Imported;

const same: Operator = (_, __, [x]) => x!;

export const operators: Readonly<Record<string, Operator>> = {
  Abs: (importer, node, [x]) => ({ kind: 'absolute', source: importer.real(x!, node) }),
  Add: arithmetic,
  Sub: arithmetic,
  Mul: arithmetic,
  Div: arithmetic,
  BatchNormalization(importer, node, [x, gamma, beta, mean, variance]) {
    const source = importer.real(x!, node);
    requireChannelsLast(node, source);
    const parameters = Object.entries({ mean, variance, gamma, beta }).map(([part, tensor]) =>
      importer.storeReal(`${nameOf(node)}/${part}`, constantInput(node, tensor, part).data),
    );
    const epsilon = attribute(node, 'epsilon', 'float', 1e-5);
    const value = importer.graph.apply(batchNormalize, importer.name(nameOf(node)), [source.value, ...parameters], {
      epsilon,
    });
    return { ...source, value };
  },
  Cast: same,
  Clip: clip,
  Constant: constant,
  Conv: convolution,
  DequantizeLinear: dequantizeLinear,
  Dropout: same,
  Flatten: flatten,
  Gemm(importer, node, [x, weights, bias]) {
    const { alpha, beta, transA, transB } = Object.fromEntries(
      [
        ['alpha', 'float', 1],
        ['beta', 'float', 1],
        ['transA', 'int', 0],
        ['transB', 'int', 0],
      ].map(([name, kind, otherwise]) => [name, attribute(node, name as string, kind as 'int', otherwise as number)]),
    );
    if (alpha !== 1 || beta !== 1 || transA !== 0) throw unsupported(node, 'alpha, beta or transA');
    const stored = constantInput(node, weights, 'matrix');
    const product = dense(importer, node, x!, transB === 1 ? permuted(stored, [1, 0]) : stored);
    return bias === undefined ? product : withBias(importer, node, product, constantInput(node, bias, 'bias'));
  },
  GlobalAveragePool(importer, node, [x]) {
    const source = importer.real(x!, node);
    return {
      ...source,
      value: importer.graph.apply(
        averagePool,
        importer.name(nameOf(node)),
        [source.value],
        wholeImage(source.value.type.shape),
      ),
    };
  },
  // Whether x > 0: an approximate sign, of which the one bit that follows is all that is read.
  Greater(importer, node, [x, other]) {
    if (constantInput(node, other, 'number').data.some((each) => each !== 0)) throw unsupported(node, 'a number but 0');
    const source = importer.real(x!, node);
    return {
      ...source,
      value: importer.graph.apply(activate, importer.name(nameOf(node)), [source.value], { kind: 'approx-sign' }),
    };
  },
  Identity: same,
  LeakyRelu(importer, node, [x]) {
    const source = importer.real(x!, node);
    return leaky(
      importer,
      node,
      source,
      new Float32Array(channelsOf(source)).fill(attribute(node, 'alpha', 'float', 0.01)),
    );
  },
  MatMul: (importer, node, [x, weights]) => dense(importer, node, x!, constantInput(node, weights, 'matrix')),
  MaxPool: pooling,
  AveragePool: averaging,
  Pad: pad,
  Min(importer, node, [x, other]) {
    const end = constantInput(node, other, 'bound');
    if (x!.kind === 'absolute' && end.data.length === 1 && end.data[0] === 1) {
      const { source } = x!;
      return {
        ...source,
        value: importer.graph.apply(activate, importer.name(nameOf(node)), [source.value], { kind: 'cabs' }),
      };
    }
    throw unsupported(node, 'anything but min(|x|, 1)');
  },
  PRelu(importer, node, [x, slope]) {
    const source = importer.real(x!, node);
    return leaky(importer, node, source, perChannel(node, source, constantInput(node, slope, 'slope')));
  },
  QuantizeLinear: quantizeLinear,
  Relu(importer, node, [x]) {
    const source = importer.real(x!, node);
    return {
      ...source,
      value: importer.graph.apply(activate, importer.name(nameOf(node)), [source.value], { kind: 'relu' }),
    };
  },
  Reshape: flatten,
  Softmax: same,
  Transpose: transpose,
  'qonnx.custom_op.general.Quant': (importer, node, inputs) => quant(importer, node, inputs),
  'qonnx.custom_op.general.BipolarQuant': (importer, node, inputs) => bipolarQuant(importer, node, inputs),
};

const nameOf = ({ name, outputs }: OnnxNode): string => name || outputs[0]!;

const channelsOf = ({ value }: Computed): number => value.type.shape.at(-1)!;

/** Numbers per channel are one after the other here only where features were not an image. */
function requireChannelsLast(node: OnnxNode, { image }: Computed): void {
  if (image !== undefined) throw unsupported(node, 'numbers per feature of a flattened image');
}

/** One number per channel of `x`, from a constant that is broadcast to it. */
function perChannel(node: OnnxNode, x: Computed, constant: Constant): Float32Array {
  const rank = x.axes === 'NC' ? 2 : 4;
  const axis = axisOf(constant, Math.max(rank, constant.shape.length));
  const channels = channelsOf(x);
  if (axis === undefined) return new Float32Array(channels).fill(constant.data[0]!);
  if (axis !== x.axes.indexOf('C') || constant.data.length !== channels)
    throw unsupported(node, `a constant of shape [${constant.shape.join(', ')}]`);
  requireChannelsLast(node, x);
  return Float32Array.from(constant.data);
}

function arithmetic(importer: Importer, node: OnnxNode, [a, b]: readonly (Imported | undefined)[]): Imported {
  if (a!.kind === 'constant' && b!.kind === 'constant') {
    const found = combined(node.op, a!.constant, b!.constant);
    if (found === undefined) throw unsupported(node, 'this pair of shapes');
    return { kind: 'constant', constant: found };
  }
  if (a!.kind === 'constant' || b!.kind === 'constant') {
    const [tensor, { constant }] = (a!.kind === 'constant' ? [b!, a!] : [a!, b!]) as [Imported, { constant: Constant }];
    if (a!.kind === 'constant' && node.op === 'Div') throw unsupported(node, 'the reciprocal');
    return withConstant(importer, node, tensor, constant, a!.kind === 'constant');
  }
  if (node.op !== 'Add') throw unsupported(node, `${node.op} of two tensors that are computed`);
  const [left, right] = [a!, b!].map((each) => importer.real(each, node)) as [Computed, Computed];
  if (left.axes !== right.axes) throw unsupported(node, 'tensors with different orders of axes');
  return { ...left, value: importer.graph.apply(add, importer.name(nameOf(node)), [left.value, right.value], {}) };
}

/** x op constant, or constant op x. */
function withConstant(importer: Importer, node: OnnxNode, x: Imported, constant: Constant, isFirst: boolean): Imported {
  const { op } = node;
  if (x.kind === 'input') {
    const { channels } = importer.input;
    if (constant.data.length !== 1 && constant.data.length !== channels) throw unsupported(node, 'this shape');
    const at = (c: number): number => constant.data[constant.data.length === 1 ? 0 : c]!;
    const factor = (c: number): number =>
      op === 'Mul' ? at(c) : op === 'Div' ? 1 / at(c) : op === 'Sub' && isFirst ? -1 : 1;
    // x + k = (byte - (zero - k / step)) * step; k - x has the step with the other sign, and the same zero.
    const shift = (c: number): number => (op === 'Add' ? -at(c) : op === 'Sub' ? at(c) : 0);
    const steps = x.steps.map((step, c) => step * factor(c));
    const zeroPoints = x.zeroPoints.map((point, c) => point + shift(c) / x.steps[c]!);
    return { ...x, steps: steps.map(Math.fround), zeroPoints };
  }
  const source = importer.real(x, node);
  const numbers = perChannel(node, source, constant);
  if (op === 'Add') return withBias(importer, node, source, constant);
  const ones = new Float32Array(numbers.length).fill(1);
  const zeros = new Float32Array(numbers.length);
  if (op === 'Sub')
    return importer.affine(
      nameOf(node),
      source,
      isFirst
        ? { slope: ones.map(() => -1), intercept: numbers }
        : { slope: ones, intercept: numbers.map((each) => -each) },
    );
  return importer.affine(nameOf(node), source, {
    slope: op === 'Mul' ? numbers : numbers.map((each) => 1 / each),
    intercept: zeros,
  });
}

function withBias(importer: Importer, node: OnnxNode, x: Computed, bias: Constant): Computed {
  const stored = importer.storeReal(`${nameOf(node)}/bias`, perChannel(node, x, bias));
  return { ...x, value: importer.graph.apply(addBias, importer.name(`${nameOf(node)}/biased`), [x.value, stored], {}) };
}

function clip(importer: Importer, node: OnnxNode, [x, low, high]: readonly (Imported | undefined)[]): Imported {
  const end = (tensor: Imported | undefined, name: string, otherwise: number): number =>
    tensor === undefined ? attribute(node, name, 'float', otherwise) : constantInput(node, tensor, name).data[0]!;
  const ends = [end(low, 'min', Number.NEGATIVE_INFINITY), end(high, 'max', Number.POSITIVE_INFINITY)] as const;
  if (x!.kind === 'integers') return narrowed(x!, ...ends);
  if (x!.kind === 'constant') {
    const { shape, data } = x!.constant;
    return {
      kind: 'constant',
      constant: { shape, data: data.map((each) => Math.min(Math.max(each, ends[0]), ends[1])) },
    };
  }
  const source = importer.real(x!, node);
  const name = nameOf(node);
  const apply = (kind: 'relu' | 'clip', value: Value): Value =>
    importer.graph.apply(activate, importer.name(name), [value], { kind });
  if (ends[0] === 0 && ends[1] === Number.POSITIVE_INFINITY) return { ...source, value: apply('relu', source.value) };
  if (!ends.every(Number.isFinite)) throw unsupported(node, `the range ${ends[0]} to ${ends[1]}`);
  const width = ends[1] - ends[0];
  if (!(width > 0)) throw unsupported(node, `the range ${ends[0]} to ${ends[1]}`);
  if (ends[0] === 0 && ends[1] === 1) return { ...source, value: apply('clip', source.value) };
  // The clip that there is ends at 0 and 1.
  const channels = channelsOf(source);
  const each = (value: number): Float32Array => new Float32Array(channels).fill(value);
  const unit = importer.affine(`${name}/unit`, source, { slope: each(1 / width), intercept: each(-ends[0] / width) });
  return importer.affine(
    `${name}/range`,
    { ...unit, value: apply('clip', unit.value) },
    { slope: each(width), intercept: each(ends[0]) },
  );
}

function constant(_: Importer, node: OnnxNode): Imported {
  const { value, value_float: float, value_int: int, value_floats: floats, value_ints: ints } = node.attributes ?? {};
  const numbers = (shape: readonly number[], data: readonly number[]): Imported => ({
    kind: 'constant',
    constant: { shape, data: Float64Array.from(data) },
  });
  if (value !== undefined && 'tensor' in value) {
    const { shape, data } = value.tensor;
    return numbers(shape, Array.from(data as ArrayLike<number | bigint>, Number));
  }
  if (float !== undefined && 'float' in float) return numbers([], [float.float]);
  if (int !== undefined && 'int' in int) return numbers([], [int.int]);
  if (floats !== undefined && 'floats' in floats) return numbers([floats.floats.length], floats.floats);
  if (ints !== undefined && 'ints' in ints) return numbers([ints.ints.length], ints.ints);
  throw unsupported(node, 'a constant that is no number');
}

interface Window {
  readonly stride: number;
  readonly padTop: number;
  readonly padLeft: number;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** Strides, pads and sizes of the output of a window over an image; `kernel`: height and width of the window, dilated. */
function windowOf(node: OnnxNode, { value, axes }: Computed, kernel: readonly number[]): Window {
  if (axes !== 'NCHW') throw unsupported(node, `an image in the order ${axes}`);
  const [, height, width] = value.type.shape as [number, number, number];
  const strides = attribute(node, 'strides', 'ints', [1, 1]);
  if (strides.length !== 2 || strides[0] !== strides[1]) throw unsupported(node, `strides [${strides.join(', ')}]`);
  const stride = strides[0]!;
  const mode = attribute(node, 'auto_pad', 'text', 'NOTSET');
  let pads = attribute(node, 'pads', 'ints', [0, 0, 0, 0]);
  if (mode === 'SAME_UPPER' || mode === 'SAME_LOWER') {
    const total = [height, width].map((extent, i) =>
      Math.max(0, (Math.ceil(extent / stride) - 1) * stride + kernel[i]! - extent),
    );
    const before = total.map((each) => (mode === 'SAME_UPPER' ? Math.floor(each / 2) : Math.ceil(each / 2)));
    pads = [...before, ...total.map((each, i) => each - before[i]!)];
  } else if (mode === 'VALID') pads = [0, 0, 0, 0];
  else if (mode !== 'NOTSET') throw unsupported(node, `auto_pad ${mode}`);
  if (pads.length !== 4 || pads.some((each) => each < 0)) throw unsupported(node, `pads [${pads.join(', ')}]`);
  const round = attribute(node, 'ceil_mode', 'int', 0) === 1 ? Math.ceil : Math.floor;
  const out = [height, width].map((extent, i) => round((extent + pads[i]! + pads[i + 2]! - kernel[i]!) / stride) + 1);
  return { stride, padTop: pads[0]!, padLeft: pads[1]!, outHeight: out[0]!, outWidth: out[1]! };
}

function convolution(
  importer: Importer,
  node: OnnxNode,
  [x, weights, bias]: readonly (Imported | undefined)[],
): Imported {
  const source = importer.operand(x!, node);
  const stored = constantInput(node, weights, 'filter');
  if (stored.shape.length !== 4) throw unsupported(node, `a filter of ${stored.shape.length} axes`);
  const dilations = attribute(node, 'dilations', 'ints', [1, 1]);
  if (dilations[0] !== dilations[1]) throw unsupported(node, `dilations [${dilations.join(', ')}]`);
  const dilation = dilations[0]!;
  const groups = attribute(node, 'group', 'int', 1);
  const kernel = stored.shape.slice(2).map((size) => spanOf(size, dilation));
  const filter = permuted(stored, [2, 3, 1, 0]);
  const y = product(importer, node, source, filter, { ...windowOf(node, source, kernel), dilation, groups });
  return bias === undefined
    ? y
    : withBias(importer, node, y, {
        ...constantInput(node, bias, 'bias'),
        shape: [sizeOf(constantInput(node, bias, 'bias').shape), 1, 1],
      });
}

/** x [N, C] times a matrix [C, K]: a 1x1 convolution of a 1x1 image. */
function dense(importer: Importer, node: OnnxNode, x: Imported, matrix: Constant): Computed {
  const source = importer.operand(x, node);
  const features = channelsOf(source);
  const [, height, width] = source.value.type.shape;
  if (matrix.shape.length !== 2 || matrix.shape[0] !== features || height !== 1 || width !== 1)
    throw unsupported(node, `a matrix of shape [${matrix.shape.join(', ')}] for ${features} features`);
  const ordered = source.image === undefined ? matrix : channelsLastRows(matrix, source.image);
  const filter = {
    ...ordered,
    shape: [1, 1, features, matrix.shape[1]!],
    ...(ordered.levels && { levels: { ...ordered.levels, axis: 3 } }),
  };
  if (ordered.levels !== undefined && ordered.levels.scale.length > 1 && ordered.levels.axis !== 1)
    throw unsupported(node, 'a scale per input of a matrix');
  const window = { stride: 1, padTop: 0, padLeft: 0, outHeight: 1, outWidth: 1, dilation: 1, groups: 1 };
  const { image: _, ...rest } = source;
  return { ...product(importer, node, rest, filter, window), axes: 'NC' };
}

/** Rows of a matrix from the order [C, H, W] of a flattened image to [H, W, C]. */
function channelsLastRows(matrix: Constant, { height, width, channels }: NonNullable<Computed['image']>): Constant {
  const columns = matrix.shape[1]!;
  const { levels } = matrix;
  const image: Constant = {
    shape: [channels, height, width, columns],
    data: matrix.data,
    ...(levels && { levels: { ...levels, axis: levels.axis === 1 ? 3 : levels.axis } }),
  };
  const moved = permuted(image, [1, 2, 0, 3]);
  return { ...moved, shape: matrix.shape, ...(moved.levels && { levels: { ...moved.levels, axis: levels!.axis } }) };
}

function product(
  importer: Importer,
  node: OnnxNode,
  x: Computed,
  filter: Constant,
  geometry: Window & { readonly dilation: number; readonly groups: number },
): Computed {
  const name = importer.name(nameOf(node));
  const type: TensorType = { dtype: 'f32', shape: filter.shape };
  const levels = filter.levels && encodingOf(filter.levels.integers);
  const outputs = filter.shape[3]!;
  const isPerTensor = filter.levels?.scale.length === 1;
  if (levels !== undefined && !isPerTensor && (filter.levels!.axis !== 3 || filter.levels!.scale.length !== outputs))
    throw unsupported(node, 'a scale of a filter that is not one per output channel');
  const weights =
    levels === undefined
      ? importer.store(`${name}/filter`, type, Float32Array.from(filter.data))
      : importer.store(
          `${name}/filter`,
          { dtype: 'u8', shape: filter.shape, encoding: levels.encoding },
          levels.stored,
        );
  const scale = levels && importer.storeReal(`${name}/filter/scale`, filter.levels!.scale);
  const value = importer.graph.apply(conv2d, name, [x.value, weights, x.value.scale, scale], geometry);
  return { ...x, value };
}

function pooling(importer: Importer, node: OnnxNode, [x]: readonly (Imported | undefined)[]): Imported {
  const source = importer.operand(x!, node);
  const { value } = source;
  const kernel = attribute(node, 'kernel_shape', 'ints', []);
  if (kernel.length !== 2 || kernel[0] !== kernel[1]) throw unsupported(node, `a window [${kernel.join(', ')}]`);
  if (attribute(node, 'dilations', 'ints', [1, 1]).some((each) => each !== 1)) throw unsupported(node, 'dilations');
  const window = windowOf(node, source, kernel);
  const name = importer.name(nameOf(node));
  const size = kernel[0]!;
  // A maximum over one pixel takes every stride-th.
  if (size === 1 && value.type.encoding === undefined)
    return {
      ...source,
      value: importer.graph.apply(strideShortcut, name, [value], {
        stride: window.stride,
        channels: channelsOf(source),
      }),
    };
  return { ...source, value: importer.graph.apply(maxPool, name, [value], { size, ...window }, value.scale) };
}

/** Means of what lies inside of the image; without padding it makes no difference whether that counts. */
function averaging(importer: Importer, node: OnnxNode, [x]: readonly (Imported | undefined)[]): Imported {
  const source = importer.real(x!, node);
  const kernel = attribute(node, 'kernel_shape', 'ints', []);
  if (kernel.length !== 2 || kernel[0] !== kernel[1]) throw unsupported(node, `a window [${kernel.join(', ')}]`);
  const window = windowOf(node, source, kernel);
  if (attribute(node, 'count_include_pad', 'int', 0) !== 0 && window.padTop + window.padLeft > 0)
    throw unsupported(node, 'padding that counts');
  const attributes = { size: kernel[0]!, ...window };
  return {
    ...source,
    value: importer.graph.apply(averagePool, importer.name(nameOf(node)), [source.value], attributes),
  };
}

/** New channels of zeros, as shortcuts without parameters have them. */
function pad(importer: Importer, node: OnnxNode, [x, pads, fill]: readonly (Imported | undefined)[]): Imported {
  const source = importer.real(x!, node);
  const given =
    pads === undefined ? attribute(node, 'pads', 'ints', []) : [...constantInput(node, pads, 'row of pads').data];
  const value = fill === undefined ? attribute(node, 'value', 'float', 0) : constantInput(node, fill, 'value').data[0];
  const added = given[5] ?? 0;
  const isOfChannels = given.length === 8 && given.every((each, i) => each === 0 || i === 5) && added >= 0;
  if (
    value !== 0 ||
    !isOfChannels ||
    source.axes !== 'NCHW' ||
    attribute(node, 'mode', 'text', 'constant') !== 'constant'
  )
    throw unsupported(node, 'anything but channels of zeros behind the others');
  const attributes = { stride: 1, channels: channelsOf(source) + added };
  return {
    ...source,
    value: importer.graph.apply(strideShortcut, importer.name(nameOf(node)), [source.value], attributes),
  };
}

function leaky(importer: Importer, node: OnnxNode, x: Computed, slope: Float32Array): Computed {
  const name = nameOf(node);
  const zeros = new Float32Array(slope.length);
  const parameters = Object.entries({ gamma: zeros, beta: slope, zeta: zeros }).map(([part, data]) =>
    importer.storeReal(`${name}/${part}`, data),
  );
  return { ...x, value: importer.graph.apply(rprelu, importer.name(name), [x.value, ...parameters], {}) };
}

/** Flatten and Reshape, as far as they make one row of features per image. */
function flatten(importer: Importer, node: OnnxNode, [x, shape]: readonly (Imported | undefined)[]): Imported {
  if (x!.kind === 'constant') {
    const wanted = shape === undefined ? undefined : [...constantInput(node, shape, 'shape').data];
    const found = wanted && reshaped(x!.constant, wanted);
    if (found === undefined) throw unsupported(node, 'this shape of a constant');
    return { kind: 'constant', constant: found };
  }
  const source = importer.operand(x!, node);
  const { value, axes } = source;
  const [, height, width, channels] = value.type.shape as [number, number, number, number];
  const features = height * width * channels;
  const wanted = shape === undefined ? [0, -1] : [...constantInput(node, shape, 'shape').data];
  const isFlat =
    wanted.slice(2).every((each) => each === 1) &&
    (wanted[0] === 0 || wanted[0] === 1 || wanted[0] === -1) &&
    (wanted[1] === -1 || wanted[1] === features);
  if (!isFlat || wanted.length < 2 || attribute(node, 'axis', 'int', 1) !== 1)
    throw unsupported(node, `a tensor of shape [${wanted.join(', ')}]`);
  const to: Axes = wanted.length === 2 ? 'NC' : 'NCHW';
  if (height === 1 && width === 1) return { ...source, axes: to };
  const flat = importer.graph.apply(
    reshape,
    importer.name(nameOf(node)),
    [value],
    { shape: [1, 1, 1, features] },
    value.scale,
  );
  const order = axes === 'NCHW' ? { image: { height, width, channels } } : {};
  return { kind: 'computed', value: flat, axes: to, ...order };
}

function transpose(_: Importer, node: OnnxNode, [x]: readonly (Imported | undefined)[]): Imported {
  const order = attribute(node, 'perm', 'ints', undefined);
  if (x!.kind === 'constant') {
    const { constant } = x!;
    return {
      kind: 'constant',
      constant: permuted(constant, order ?? constant.shape.map((__, i, all) => all.length - 1 - i)),
    };
  }
  if (x!.kind !== 'input' && x!.kind !== 'computed') throw unsupported(node, 'what is not read yet');
  const { axes } = x!;
  const moved = order?.map((axis) => axes[axis]).join('');
  if (moved !== 'NCHW' && moved !== 'NHWC') throw unsupported(node, `the order [${order?.join(', ')}]`);
  return { ...x!, axes: moved };
}
