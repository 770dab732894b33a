/**
 * An ONNX graph while it becomes one of ours: an evaluation graph from image bytes to logits, which runs, is inspected and is deployed like a
 * trained one. ONNX's images are [N, C, H, W], ours [N, H, W, C]; quantized tensors stay levels, as `Quant` or QuantizeLinear and
 * DequantizeLinear around real numbers say (quantized.ts).
 *
 * The network's input is bytes. Where the model takes real numbers, a byte stands for (byte - zeroPoint) * step, as the caller says.
 */
import { Graph, type Value } from '../../core/graph.js';
import { type Encoding, quantized, real, type TensorType, type TypedArray } from '../../core/tensor.js';
import type { OnnxAttribute, OnnxNode } from '../../formats/onnx-model.js';
import { batchNormalize } from '../../ops/batch-norm/batch-norm.js';
import { addBias } from '../../ops/elementwise/elementwise.js';
import { dequantize } from '../../ops/quantize/activations.js';
import { SubbitError } from '../../util/errors.js';
import { UniqueNames } from '../unique-names.js';
import { axisOf, type Constant } from './constants.js';

/** In what order the model has a tensor's axes: of an image, or one row of features per image. */
export type Axes = 'NCHW' | 'NHWC' | 'NC';

export type Imported =
  | { readonly kind: 'constant'; readonly constant: Constant }
  | Computed
  /** The model's input, before anything reads its numbers: (byte - zeroPoints[c]) * steps[c]. */
  | {
      readonly kind: 'input';
      readonly axes: Axes;
      readonly zeroPoints: readonly number[];
      readonly steps: readonly number[];
    }
  /** |source|, which only min(1, |x|) can use. */
  | { readonly kind: 'absolute'; readonly source: Computed }
  /** A softmax of the logits `source`, which only the model's output may be. */
  | { readonly kind: 'probabilities'; readonly source: Computed }
  /** What QuantizeLinear gives: integers low .. high, which stand for (integer - zeroPoint) * step. */
  | {
      readonly kind: 'integers';
      readonly source: Imported;
      readonly step: number;
      readonly zeroPoint: number;
      readonly low: number;
      readonly high: number;
    };

export interface Computed {
  readonly kind: 'computed';
  /** Real or quantized, [1, H, W, C]. */
  readonly value: Value;
  readonly axes: Axes;
  /** Of features that were an image: they lie as [H, W, C] here, and as [C, H, W] in the model. */
  readonly image?: { readonly height: number; readonly width: number; readonly channels: number };
}

export interface ImageInput {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

export class Importer {
  readonly graph = new Graph();
  readonly input: ImageInput;
  readonly opset: number;
  /** The encoding of the bytes, once something has read them. */
  images: Value | undefined;
  readonly #real = new Map<Value, Value>();
  readonly #names = new UniqueNames();

  constructor(input: ImageInput, opset: number) {
    this.input = input;
    this.opset = opset;
  }

  /** A name that no node has yet. */
  name(wanted: string): string {
    return this.#names.take(wanted);
  }

  store(name: string, type: TensorType, data: TypedArray): Value {
    return this.graph.constant(this.name(name), type, data);
  }

  storeReal(name: string, data: ArrayLike<number>): Value {
    return this.store(name, real([data.length]), Float32Array.from(data));
  }

  /** The tensor as what a convolution or a pooling takes: levels with their scale, or real numbers. */
  operand(tensor: Imported, node: OnnxNode): Computed {
    if (tensor.kind === 'computed') return tensor;
    if (tensor.kind === 'input') return { kind: 'computed', value: this.#bytes(tensor, node), axes: tensor.axes };
    if (tensor.kind === 'constant') throw unsupported(node, 'a constant where the image is expected');
    if (tensor.kind === 'absolute') throw unsupported(node, 'an absolute value without Min(.., 1)');
    if (tensor.kind === 'probabilities') throw unsupported(node, 'a Softmax before the end of the model');
    throw unsupported(node, 'integers that no DequantizeLinear follows');
  }

  /** The tensor as real numbers. */
  real(tensor: Imported, node: OnnxNode): Computed {
    const operand = this.operand(tensor, node);
    const { value } = operand;
    if (value.type.encoding === undefined) return operand;
    const known = this.#real.get(value);
    if (known !== undefined) return { ...operand, value: known };
    const found = this.graph.apply(dequantize, this.name(`${value.name}/real`), [value, value.scale], {});
    this.#real.set(value, found);
    return { ...operand, value: found };
  }

  /** slope[c] * x + intercept[c], in real numbers: a batch norm of mean 0 and variance 1. */
  affine(
    name: string,
    x: Computed,
    { slope, intercept }: { slope: ArrayLike<number>; intercept: ArrayLike<number> },
  ): Computed {
    const channels = slope.length;
    const parameters = [new Float32Array(channels), new Float32Array(channels).fill(1), slope, intercept];
    const constants = ['mean', 'variance', 'slope', 'intercept'].map((part, i) =>
      this.storeReal(`${name}/${part}`, parameters[i]!),
    );
    return { ...x, value: this.graph.apply(batchNormalize, this.name(name), [x.value, ...constants], { epsilon: 0 }) };
  }

  /** The images' levels: with one step and whole zero points they are their encoding, and arithmetic on real numbers otherwise. */
  #bytes(tensor: Extract<Imported, { kind: 'input' }>, node: OnnxNode): Value {
    const { zeroPoints, steps } = tensor;
    const isPlain =
      steps.every((step) => step === steps[0] && step > 0) &&
      zeroPoints.every((point) => Number.isInteger(point) && point >= 0 && point <= 255);
    const encoding: Encoding = isPlain
      ? {
          kind: 'levels',
          max: 255,
          step: steps[0]!,
          zeroPoints: zeroPoints.every((point) => point === zeroPoints[0]) ? [zeroPoints[0]!] : zeroPoints,
        }
      : { kind: 'levels', max: 255, step: 1 };
    const { height, width, channels } = this.input;
    if (this.images !== undefined && JSON.stringify(this.images.type.encoding) !== JSON.stringify(encoding))
      throw unsupported(node, 'an input that is normalised in two ways');
    this.images ??= this.graph.input('images', quantized([1, height, width, channels], encoding));
    if (isPlain) return this.images;
    const known = this.#real.get(this.images);
    if (known !== undefined) return known;
    const bytes = this.graph.apply(dequantize, this.name('images/bytes'), [this.images], {});
    const intercept = zeroPoints.map((point, c) => -point * steps[c]!);
    const { value } = this.affine(
      'images/real',
      { kind: 'computed', value: bytes, axes: tensor.axes },
      { slope: steps, intercept },
    );
    this.#real.set(this.images, value);
    return value;
  }
}

export function unsupported(node: OnnxNode, what: string): SubbitError {
  return new SubbitError(`${describe(node)}: ${what} is not supported`);
}

/** 'Conv conv1', with the first output where a node has no name. */
export function describe({ op, domain, name, outputs }: OnnxNode): string {
  return `${domain === undefined ? op : `${domain}.${op}`} '${name || outputs[0]}'`;
}

type AttributeKind = 'int' | 'float' | 'text' | 'ints' | 'floats';
type AttributeValue<K extends AttributeKind> = K extends 'int' | 'float'
  ? number
  : K extends 'text'
    ? string
    : readonly number[];

/** An attribute of a node, or what it is when it is left out. Throws for one of another type. */
export function attribute<K extends AttributeKind, D>(
  node: OnnxNode,
  name: string,
  kind: K,
  otherwise: D,
): AttributeValue<K> | D {
  const found = node.attributes?.[name] as (OnnxAttribute & Partial<Record<K, AttributeValue<K>>>) | undefined;
  if (found === undefined) return otherwise;
  const value = found[kind];
  if (value === undefined) throw unsupported(node, `the attribute ${name} of type ${Object.keys(found).join()}`);
  return value;
}

/** A filter in our axes: what its integers need as encoding. Undefined when they need more than 8 bits. */
export function encodingOf(integers: Int32Array): { encoding: Encoding; stored: Uint8Array } | undefined {
  const least = integers.reduce((a, b) => Math.min(a, b), 0);
  const most = integers.reduce((a, b) => Math.max(a, b), 0);
  if (integers.every((each) => Math.abs(each % 2) === 1) && Math.max(-least, most) <= 255) {
    const max = 2 ** Math.ceil(Math.log2(Math.max(-least, most) + 1)) - 1;
    return {
      encoding: { kind: 'bipolar', max, step: 1 },
      stored: Uint8Array.from(integers, (each) => (each + max) / 2),
    };
  }
  let bits = 2;
  while (bits < 8 && (least < -(2 ** (bits - 1)) || most >= 2 ** (bits - 1))) bits++;
  const zeroPoint = 2 ** (bits - 1);
  if (least < -zeroPoint || most >= zeroPoint) return undefined;
  const encoding: Encoding = { kind: 'levels', max: 2 ** bits - 1, step: 1, zeroPoints: [zeroPoint] };
  return { encoding, stored: Uint8Array.from(integers, (each) => each + zeroPoint) };
}

/** PyTorch's name of the module, as its weights have it, where there is one: 'layer1.0.conv1' of 'layer1.0.conv1.weight'. */
export const nameOf = ({ name, inputs, outputs }: OnnxNode): string =>
  /^(.+)\.weight$/.exec(inputs[1] ?? '')?.[1] ?? (name || outputs[0]!);

/** Of what is computed, in our order of axes. */
export const channelsOf = ({ value }: Computed): number => value.type.shape.at(-1)!;

/** Numbers per channel are one after the other here only where features were not an image. */
export function requireChannelsLast(node: OnnxNode, { image }: Computed): void {
  if (image !== undefined) throw unsupported(node, 'numbers per feature of a flattened image');
}

/** One number per channel of `x`, from a constant that is broadcast to it. */
export function perChannel(node: OnnxNode, x: Computed, constant: Constant): Float32Array {
  const rank = x.axes === 'NC' ? 2 : 4;
  const axis = axisOf(constant, Math.max(rank, constant.shape.length));
  const channels = channelsOf(x);
  if (axis === undefined) return new Float32Array(channels).fill(constant.data[0]!);
  if (axis !== x.axes.indexOf('C') || constant.data.length !== channels)
    throw unsupported(node, `a constant of shape [${constant.shape.join(', ')}]`);
  requireChannelsLast(node, x);
  return Float32Array.from(constant.data);
}

export function withBias(importer: Importer, node: OnnxNode, x: Computed, bias: Constant): Computed {
  const stored = importer.storeReal(`${nameOf(node)}/bias`, perChannel(node, x, bias));
  return { ...x, value: importer.graph.apply(addBias, importer.name(`${nameOf(node)}/biased`), [x.value, stored], {}) };
}
