/** What each operator of ONNX becomes: a new one is an entry, under its name (with its domain, where it is not a standard one). */
import type { Value } from '../../core/graph.js';
import type { OnnxElementType, OnnxNode } from '../../formats/onnx-model.js';
import { activate } from '../../ops/activation/activation.js';
import { batchNormalize } from '../../ops/batch-norm/batch-norm.js';
import { concat, isJoinable } from '../../ops/concat/concat.js';
import { add, reshape } from '../../ops/elementwise/elementwise.js';
import { rprelu } from '../../ops/rprelu/rprelu.js';
import { strideShortcut } from '../../ops/shortcut/shortcut.js';
import { type Constant, combined, constantOf, elementTypeOf, permuted, reshaped, scaled } from './constants.js';
import {
  type Axes,
  attribute,
  type Computed,
  channelsOf,
  type Imported,
  type Importer,
  nameOf,
  perChannel,
  requireChannelsLast,
  unsupported,
  withBias,
} from './importer.js';
import { averaging, globalAverage, pooling, reduceMean } from './pools.js';
import { convolution, dense } from './products.js';
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
    if (attribute(node, 'training_mode', 'int', 0) !== 0) throw unsupported(node, 'training_mode');
    const parameters = Object.entries({ mean, variance, gamma, beta }).map(([part, tensor]) =>
      importer.storeReal(`${nameOf(node)}/${part}`, constantInput(node, tensor, part).data),
    );
    const epsilon = attribute(node, 'epsilon', 'float', 1e-5);
    const value = importer.graph.apply(batchNormalize, importer.name(nameOf(node)), [source.value, ...parameters], {
      epsilon,
    });
    return { ...source, value };
  },
  Cast: cast,
  Clip: clip,
  Concat: concatenation,
  Constant: constant,
  Conv: convolution,
  DequantizeLinear: dequantizeLinear,
  Dropout: dropout,
  Flatten: flatten,
  Gemm(importer, node, [x, weights, bias]) {
    if (attribute(node, 'transA', 'int', 0) !== 0) throw unsupported(node, 'transA');
    const stored = scaled(constantInput(node, weights, 'matrix'), attribute(node, 'alpha', 'float', 1));
    const isTransposed = attribute(node, 'transB', 'int', 0) === 1;
    const product = dense(importer, node, x!, isTransposed ? transposed(node, stored, [1, 0]) : stored);
    if (bias === undefined) return product;
    return withBias(
      importer,
      node,
      product,
      scaled(constantInput(node, bias, 'bias'), attribute(node, 'beta', 'float', 1)),
    );
  },
  GlobalAveragePool: globalAverage,
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
  ReduceMean: reduceMean,
  Relu(importer, node, [x]) {
    const source = importer.real(x!, node);
    return {
      ...source,
      value: importer.graph.apply(activate, importer.name(nameOf(node)), [source.value], { kind: 'relu' }),
    };
  },
  Reshape: flatten,
  Softmax(importer, node, [x]) {
    const source = importer.real(x!, node);
    const rank = source.axes === 'NC' ? 2 : 4;
    const axis = attribute(node, 'axis', 'int', importer.opset < 13 ? 1 : -1);
    if ((axis + rank) % rank !== source.axes.indexOf('C'))
      throw unsupported(node, `the axis ${axis} of ${source.axes}`);
    return { kind: 'probabilities', source };
  },
  Transpose: transpose,
  'qonnx.custom_op.general.Quant': (importer, node, inputs) => quant(importer, node, inputs),
  'qonnx.custom_op.general.BipolarQuant': (importer, node, inputs) => bipolarQuant(importer, node, inputs),
};

function arithmetic(importer: Importer, node: OnnxNode, [a, b]: readonly (Imported | undefined)[]): Imported {
  if (b === undefined) throw unsupported(node, 'a single input');
  if (a!.kind === 'constant' && b!.kind === 'constant') {
    const found = combined(node.op, a!.constant, b!.constant);
    if (found === undefined) {
      const [left, right] = [a!, b!].map(({ constant: { shape } }) => `[${shape.join(', ')}]`);
      throw unsupported(node, `the pair of shapes ${left} and ${right}`);
    }
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

/** Branches side by side along the channels: levels of one encoding stay levels. */
function concatenation(importer: Importer, node: OnnxNode, inputs: readonly (Imported | undefined)[]): Imported {
  const axis = attribute(node, 'axis', 'int', undefined);
  const branches = inputs.map((each) => importer.operand(each ?? missing(node), node));
  const { axes } = branches[0]!;
  const rank = axes === 'NC' ? 2 : 4;
  const isOfChannels = axis !== undefined && axes[axis < 0 ? axis + rank : axis] === 'C';
  if (!isOfChannels || branches.some((each) => each.axes !== axes || each.image !== undefined))
    throw unsupported(node, 'anything but channels beside channels');
  const staysLevels = branches.every(
    ({ value }) => value.scale === undefined && isJoinable(branches[0]!.value.type, value.type),
  );
  const parts = staysLevels ? branches : branches.map((each) => importer.real(each, node));
  const value = parts
    .map((each) => each.value)
    .reduce((a, b) => importer.graph.apply(concat, importer.name(nameOf(node)), [a, b], {}));
  return { ...parts[0]!, value };
}

/** Computed tensors are real numbers, so only what keeps them so does nothing; constants are rounded as their new type says. */
function cast(_: Importer, node: OnnxNode, [x]: readonly (Imported | undefined)[]): Imported {
  const to = attribute(node, 'to', 'int', undefined);
  const type = elementTypeOf(to);
  const name = type ?? `of number ${to}`;
  const isReal = type === 'float32' || type === 'float64';
  if (x!.kind !== 'constant') {
    if (!isReal) throw unsupported(node, `a cast to the type ${name} of what is computed`);
    return x!;
  }
  if (!isReal && !/^u?int(32|64)$/.test(name)) throw unsupported(node, `a cast to the type ${name}`);
  const { shape, data } = x!.constant;
  const round = type === 'float32' ? Math.fround : type === 'float64' ? (each: number) => each : Math.trunc;
  return { kind: 'constant', constant: { shape, data: data.map(round), type } };
}

/** Nothing, but in training, which a model says by an input of its own. */
function dropout(_: Importer, node: OnnxNode, [x, , training]: readonly (Imported | undefined)[]): Imported {
  const isTraining = training !== undefined && constantInput(node, training, 'training_mode').data[0] !== 0;
  if (isTraining) throw unsupported(node, 'training_mode');
  return x!;
}

function missing(node: OnnxNode): never {
  throw unsupported(node, 'an input that is left out');
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

function clip(importer: Importer, node: OnnxNode, [x, low, high]: readonly (Imported | undefined)[]): Imported {
  const end = (tensor: Imported | undefined, name: string, otherwise: number): number =>
    tensor === undefined ? attribute(node, name, 'float', otherwise) : constantInput(node, tensor, name).data[0]!;
  const ends = [end(low, 'min', Number.NEGATIVE_INFINITY), end(high, 'max', Number.POSITIVE_INFINITY)] as const;
  if (x!.kind === 'integers') return narrowed(x!, ...ends);
  if (x!.kind === 'constant') {
    const { shape, data, type } = x!.constant;
    return {
      kind: 'constant',
      constant: { shape, data: data.map((each) => Math.min(Math.max(each, ends[0]), ends[1])), type },
    };
  }
  const source = importer.real(x!, node);
  const name = nameOf(node);
  const apply = (kind: 'relu' | 'clip', value: Value): Value =>
    importer.graph.apply(activate, importer.name(name), [value], { kind });
  if (ends[0] === 0 && ends[1] === Number.POSITIVE_INFINITY) return { ...source, value: apply('relu', source.value) };
  if (!ends.some(Number.isFinite)) return source;
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
  const numbers = (shape: readonly number[], data: readonly number[], type: OnnxElementType): Imported => ({
    kind: 'constant',
    constant: { shape, data: Float64Array.from(data), type },
  });
  if (value !== undefined && 'tensor' in value) return { kind: 'constant', constant: constantOf(value.tensor) };
  if (float !== undefined && 'float' in float) return numbers([], [float.float], 'float32');
  if (int !== undefined && 'int' in int) return numbers([], [int.int], 'int64');
  if (floats !== undefined && 'floats' in floats) return numbers([floats.floats.length], floats.floats, 'float32');
  if (ints !== undefined && 'ints' in ints) return numbers([ints.ints.length], ints.ints, 'int64');
  throw unsupported(node, 'a constant that is no number');
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
  const axis = attribute(node, 'axis', 'int', 1);
  if ((axis + axes.length) % axes.length !== 1) throw unsupported(node, `the axis ${axis}`);
  const wanted = shape === undefined ? [0, -1] : [...constantInput(node, shape, 'shape').data];
  const isFlat =
    wanted.slice(2).every((each) => each === 1) &&
    (wanted[0] === 0 || wanted[0] === 1 || wanted[0] === -1) &&
    (wanted[1] === -1 || wanted[1] === features);
  if (!isFlat || wanted.length < 2) throw unsupported(node, `a tensor of shape [${wanted.join(', ')}]`);
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

/** Throws for an order that does not have each of the constant's axes once. */
function transposed(node: OnnxNode, constant: Constant, order: readonly number[]): Constant {
  const { shape } = constant;
  if (order.length !== shape.length || shape.some((_, axis) => !order.includes(axis)))
    throw unsupported(node, `the order [${order.join(', ')}] of a constant of shape [${shape.join(', ')}]`);
  return permuted(constant, order);
}

function transpose(_: Importer, node: OnnxNode, [x]: readonly (Imported | undefined)[]): Imported {
  const order = attribute(node, 'perm', 'ints', undefined);
  if (x!.kind === 'constant') {
    const { constant } = x!;
    const axes = order ?? constant.shape.map((__, i, all) => all.length - 1 - i);
    return { kind: 'constant', constant: transposed(node, constant, axes) };
  }
  if (x!.kind !== 'input' && x!.kind !== 'computed') throw unsupported(node, 'what is not read yet');
  const { axes } = x!;
  const moved = order?.map((axis) => axes[axis] ?? '?').join('');
  if (moved !== 'NCHW' && moved !== 'NHWC') throw unsupported(node, `the order [${order?.join(', ')}]`);
  return { ...x!, axes: moved };
}
