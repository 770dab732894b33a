/**
 * What each op of an evaluation graph is in ONNX: a new op is an entry. An entry adds nodes and returns the tensor that is the op's first
 * result, real, [N, C, H, W].
 */
import type { Node, Value } from '../../core/graph.js';
import type { Tensor } from '../../core/run-op.js';
import { decode, operandOf, stepOf } from '../../core/tensor.js';
import type { ActivationKind } from '../../ops/activation/activation.js';
import { activate } from '../../ops/activation/activation.js';
import { batchNormalize } from '../../ops/batch-norm/batch-norm.js';
import { concat } from '../../ops/concat/concat.js';
import { conv2d } from '../../ops/conv2d/conv2d.js';
import { spanOf } from '../../ops/conv2d/geometry.js';
import { add, addBias, reshape } from '../../ops/elementwise/elementwise.js';
import { averagePool, isWholeImage } from '../../ops/pool/average-pool.js';
import { maxPool } from '../../ops/pool/pool.js';
import { dequantize, quantizeUnit } from '../../ops/quantize/activations.js';
import { quantizeScaled } from '../../ops/quantize/learned.js';
import { rprelu } from '../../ops/rprelu/rprelu.js';
import { strideShortcut } from '../../ops/shortcut/shortcut.js';
import type { OnnxDialect, QuantizedFilter } from './dialect.js';
import type { Emitter } from './emitter.js';

type Operator = (emitter: Emitter, node: Node, dialect: OnnxDialect) => string;

export const operators: Readonly<Record<string, Operator>> = {
  [conv2d.name]: convolution,
  [batchNormalize.name](emitter, { name, inputs, attributes }) {
    const [x, mean, variance, gamma, beta] = inputs;
    const parameters = Object.entries({ gamma, beta, mean, variance }).map(([part, value]) => {
      const { data } = emitter.constantOf(value);
      return emitter.store(`${name}/${part}`, { shape: [data.length], data: Float32Array.from(data) });
    });
    const epsilon = { float: attributes.epsilon as number };
    return emitter.add('BatchNormalization', name, [emitter.tensorOf(x), ...parameters], { epsilon });
  },
  [activate.name](emitter, { name, inputs, attributes }) {
    return bounded[attributes.kind as ActivationKind](emitter, name, emitter.tensorOf(inputs[0]));
  },
  [quantizeUnit.name](emitter, { name, inputs, outputs }, dialect) {
    return dialect.activations(emitter, name, emitter.tensorOf(inputs[0]), outputs[0]!.type.encoding!, 1);
  },
  [quantizeScaled.name](emitter, { name, inputs: [x, scale], outputs }, dialect) {
    const factor = emitter.constantOf(scale).data[0]!;
    return dialect.activations(emitter, name, emitter.tensorOf(x), outputs[0]!.type.encoding!, factor);
  },
  [dequantize.name]: (emitter, { inputs }) => emitter.tensorOf(inputs[0]),
  [add.name]: (emitter, { name, inputs }) =>
    emitter.add(
      'Add',
      name,
      inputs.map((value) => emitter.tensorOf(value)),
    ),
  [addBias.name](emitter, { name, inputs: [x, bias] }) {
    const stored = emitter.storePerChannel(`${name}/bias`, emitter.constantOf(bias));
    return emitter.add('Add', name, [emitter.tensorOf(x), stored]);
  },
  [concat.name]: (emitter, { name, inputs }) =>
    emitter.add(
      'Concat',
      name,
      inputs.map((value) => emitter.tensorOf(value)),
      { axis: { int: 1 } },
    ),
  [maxPool.name]: (emitter, node) => pooling(emitter, node, 'MaxPool'),
  [averagePool.name]: (emitter, node) =>
    isWholeImage(node.inputs[0]!.type.shape, node.attributes)
      ? emitter.add('GlobalAveragePool', node.name, [emitter.tensorOf(node.inputs[0])])
      : pooling(emitter, node, 'AveragePool'),
  [reshape.name]: flattening,
  [strideShortcut.name](emitter, { name, inputs: [x], attributes }) {
    const { stride, channels } = attributes as { stride: number; channels: number };
    // Every stride-th pixel is a pooling of single pixels.
    const window = { kernel_shape: { ints: [1, 1] }, strides: { ints: [stride, stride] } };
    const taken =
      stride === 1 ? emitter.tensorOf(x) : emitter.add('MaxPool', `${name}/taken`, [emitter.tensorOf(x)], window);
    const added = channels - x!.type.shape[3]!;
    if (added === 0) return taken;
    const pads = BigInt64Array.of(0n, 0n, 0n, 0n, 0n, BigInt(added), 0n, 0n);
    return emitter.add('Pad', name, [taken, emitter.store(`${name}/pads`, { shape: [8], data: pads })]);
  },
  [rprelu.name](emitter, { name, inputs: [x, ...parameters] }) {
    const [gamma, beta, zeta] = ['gamma', 'beta', 'zeta'].map((part, i) =>
      emitter.storePerChannel(`${name}/${part}`, emitter.constantOf(parameters[i])),
    );
    const shifted = emitter.add('Sub', `${name}/shifted`, [emitter.tensorOf(x), gamma!]);
    return emitter.add('Add', name, [emitter.add('PRelu', `${name}/bent`, [shifted, beta!]), zeta!]);
  },
};

const bounded: Record<ActivationKind, (emitter: Emitter, name: string, x: string) => string> = {
  relu: (emitter, name, x) => emitter.add('Relu', name, [x]),
  clip: (emitter, name, x) =>
    emitter.add('Clip', name, [x, emitter.store(`${name}/low`, 0), emitter.store(`${name}/high`, 1)]),
  cabs: (emitter, name, x) =>
    emitter.add('Min', name, [emitter.add('Abs', `${name}/abs`, [x]), emitter.store(`${name}/high`, 1)]),
  'clip-sign': isPositive,
  'approx-sign': isPositive,
  'swish-sign': isPositive,
};

/** Of what stands for the sign one bit is all that is read: whether x > 0. */
function isPositive(emitter: Emitter, name: string, x: string): string {
  const sign = emitter.add('Greater', `${name}/sign`, [x, emitter.store(`${name}/zero`, 0)]);
  return emitter.add('Cast', name, [sign], { to: { int: 1 } });
}

function convolution(emitter: Emitter, node: Node, dialect: OnnxDialect): string {
  const { name, inputs, attributes } = node;
  const [x, filter, , filterScale] = inputs;
  const {
    stride,
    dilation = 1,
    groups = 1,
    padTop,
    padLeft,
    outHeight,
    outWidth,
  } = attributes as Record<string, number>;
  const [, height, width] = x!.type.shape as [number, number, number];
  const [kernelHeight, kernelWidth] = filter!.type.shape as [number, number];
  const after = (extent: number, out: number, before: number, kernel: number): number =>
    Math.max(0, (out - 1) * stride! + spanOf(kernel, dilation) - extent - before);
  const bottom = after(height, outHeight!, padTop!, kernelHeight);
  const right = after(width, outWidth!, padLeft!, kernelWidth);
  return emitter.add('Conv', name, [emitter.tensorOf(x), filterTensor(emitter, name, filter!, filterScale, dialect)], {
    kernel_shape: { ints: [kernelHeight, kernelWidth] },
    strides: { ints: [stride!, stride!] },
    pads: { ints: [padTop!, padLeft!, bottom, right] },
    dilations: { ints: [dilation, dilation] },
    group: { int: groups },
  });
}

function filterTensor(
  emitter: Emitter,
  name: string,
  filter: Value,
  scale: Value | undefined,
  dialect: OnnxDialect,
): string {
  const weights = emitter.constantOf(filter);
  const { encoding } = weights.type;
  const { shape, elements } = outputsFirst(weights);
  if (encoding === undefined) return emitter.store(`${name}/filter`, { shape, data: Float32Array.from(elements) });
  const step = stepOf(weights.type);
  const factors = scale === undefined ? [1] : emitter.constantOf(scale).data;
  const quantized: QuantizedFilter = {
    shape,
    integers: Int16Array.from(elements),
    encoding,
    scale: Float32Array.from(factors, (factor) => step * factor),
  };
  return dialect.filter(emitter, `${name}/filter`, quantized);
}

/** From [KH, KW, C, K] to [K, C, KH, KW], decoded. */
function outputsFirst({ type, data }: Tensor): { shape: number[]; elements: Float64Array } {
  const [height, width, channels, outputs] = type.shape as [number, number, number, number];
  const operand = operandOf(type);
  const elements = new Float64Array(data.length);
  for (let tap = 0; tap < height * width; tap++)
    for (let c = 0; c < channels; c++)
      for (let k = 0; k < outputs; k++) {
        const stored = data[(tap * channels + c) * outputs + k]!;
        elements[(k * channels + c) * height * width + tap] = decode(operand, stored, k);
      }
  return { shape: [outputs, channels, height, width], elements };
}

/** Padding never counts: it wins no maximum, and ONNX leaves it out of means, too. */
function pooling(emitter: Emitter, { name, inputs: [x], attributes }: Node, op: 'MaxPool' | 'AveragePool'): string {
  const { size, stride, padTop, padLeft, outHeight, outWidth } = attributes as Record<string, number>;
  const [, height, width] = x!.type.shape as [number, number, number];
  const after = (extent: number, out: number, before: number): number =>
    Math.max(0, (out - 1) * stride! + size! - extent - before);
  return emitter.add(op, name, [emitter.tensorOf(x)], {
    kernel_shape: { ints: [size!, size!] },
    strides: { ints: [stride!, stride!] },
    pads: { ints: [padTop!, padLeft!, after(height, outHeight!, padTop!), after(width, outWidth!, padLeft!)] },
  });
}

/** Flattening in our order of elements, channels last. */
function flattening(emitter: Emitter, { name, inputs: [x] }: Node): string {
  const [, height, width] = x!.type.shape as [number, number, number];
  const tensor = emitter.tensorOf(x);
  if (height === 1 && width === 1) return tensor;
  const channelsLast = emitter.add('Transpose', `${name}/channels-last`, [tensor], { perm: { ints: [0, 2, 3, 1] } });
  const shape = emitter.store(`${name}/shape`, { shape: [4], data: BigInt64Array.of(0n, -1n, 1n, 1n) });
  return emitter.add('Reshape', name, [channelsLast, shape]);
}
