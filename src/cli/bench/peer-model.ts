/**
 * ONNX models of a network with random weights, for peers to run: in float32 and in 8-bit integers, each in the form that
 * ONNX Runtime runs fastest.
 *
 *     fp32    Conv with the batch norm folded in, Relu after it (fused by the runtime), NCHW
 *     int8    QLinearConv, u8 activations, s8 weights with a scale per output channel, i32 bias; zero point 0 where a relu
 *             ends the layer (the clamp to 0..255 is the relu), 128 elsewhere; QLinearAdd, QLinearGlobalAveragePool, QGemm
 *
 * A batch norm that no convolution can take in stays an operator of its own in fp32 (0.7 % of the time of resnet18). In int8 it
 * is left out, in the peer's favour, because there is no 8-bit operator for it, and its relu is a Clip (0.7 % as well). Other
 * types are slower (64@56, one thread, onnxruntime-node 1.30 on Zen 5): u8 x s8 450 GMAC/s, u8 x u8 167, s8 x s8 18. Weights
 * are uniform with He's variance, so values neither vanish nor explode.
 */
import type { OnnxAttribute, OnnxNode, OnnxTensor } from '../../formats/onnx-model.js';
import { encodeOnnx } from '../../formats/onnx-writer.js';
import { SubbitError } from '../../util/errors.js';
import { Philox } from '../../util/philox.js';
import type { OrtInput } from './ort.js';

export type PeerPrecision = 'fp32' | 'int8';

interface Window {
  /** Height and width. */
  readonly size: readonly [number, number];
  readonly stride: number;
  /** Top, left, bottom, right. */
  readonly pads: readonly [number, number, number, number];
}

export type PeerLayer = {
  readonly name: string;
  /** Names of layers, or 'images'. */
  readonly inputs: readonly string[];
  /** Whether a relu ends the layer. @default false */
  readonly relu?: boolean;
} & (
  | ({
      readonly op: 'conv';
      readonly channels: number;
      readonly dilation: number;
      readonly groups: number;
    } & Window)
  | ({ readonly op: 'max-pool' } & Window)
  | { readonly op: 'dense'; readonly channels: number }
  | { readonly op: 'stride-shortcut'; readonly channels: number; readonly stride: number }
  | { readonly op: 'add' | 'batch-norm' | 'relu' | 'global-average' }
);

export interface PeerNetwork {
  readonly name: string;
  readonly input: { readonly height: number; readonly width: number; readonly channels: number };
  readonly layers: readonly PeerLayer[];
  /** Layers whose results are outputs. @default the last */
  readonly outputs?: readonly string[];
}

export interface PeerModel {
  readonly bytes: Uint8Array;
  readonly inputs: Readonly<Record<string, OrtInput>>;
}

/** A tensor of the model: [batch, channels, height, width]. */
interface Image {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Of int8: the level of zero, and the root mean square of the distance from it, in levels. */
  readonly zeroPoint: number;
  readonly magnitude: number;
}

export function buildPeerModel(
  network: PeerNetwork,
  { batch, precision }: { readonly batch: number; readonly precision: PeerPrecision },
): PeerModel {
  const builder = new ModelBuilder(precision);
  const type = precision === 'fp32' ? 'float32' : 'uint8';
  const { height, width, channels } = network.input;
  builder.images.set('images', { channels, height, width, zeroPoint: 0, magnitude: 255 / Math.sqrt(3) });
  for (const layer of network.layers) builder.add(layer);
  const last = network.layers.at(-1)?.name ?? 'images';
  const shapeOf = (name: string): number[] => {
    const image = builder.image(name);
    return [batch, image.channels, image.height, image.width];
  };
  const bytes = encodeOnnx({
    name: network.name,
    inputs: [{ name: 'images', type, shape: shapeOf('images') }],
    outputs: (network.outputs ?? [last]).map((name) => {
      const isFlat = network.layers.some((layer) => layer.name === name && layer.op === 'dense');
      return { name, type, shape: isFlat ? shapeOf(name).slice(0, 2) : shapeOf(name) };
    }),
    initializers: builder.initializers,
    nodes: builder.nodes,
    domains: { 'com.microsoft': 1 },
  });
  const shape = shapeOf('images');
  const elements = shape.reduce((product, extent) => product * extent, 1);
  const random = new Philox(1, 'images');
  const levels = Uint8Array.from({ length: elements }, () => random.nextInt(256));
  const data = precision === 'fp32' ? Float32Array.from(levels, (level) => level / 255) : levels;
  return { bytes, inputs: { images: { type, shape, data } } };
}

/** Deviation that an int8 layer's results are scaled to, in levels: few reach the ends of 0..255. */
const deviation = 50;
/** What is left of it behind a relu. */
const reluDeviation = deviation / Math.SQRT2;
/** Of weights -127..127. */
const weightDeviation = 254 / Math.sqrt(12);

class ModelBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: Record<string, OnnxTensor> = {};
  readonly images = new Map<string, Image>();
  readonly #isFloat: boolean;
  readonly #random = new Philox(1, 'weights');

  constructor(precision: PeerPrecision) {
    this.#isFloat = precision === 'fp32';
  }

  image(name: string): Image {
    const image = this.images.get(name);
    if (image === undefined) throw new SubbitError(`a peer's network has no layer '${name}' before it is used`);
    return image;
  }

  add(layer: PeerLayer): void {
    this.images.set(layer.name, this.#build(layer, this.image(layer.inputs[0]!)));
  }

  /** Adds the nodes of a layer and returns its result. */
  #build(layer: PeerLayer, x: Image): Image {
    const input = layer.inputs[0]!;
    switch (layer.op) {
      case 'conv':
        return this.#conv(layer, x);
      case 'dense':
        return this.#dense(layer, x);
      case 'add':
        return this.#add(layer, x, this.image(layer.inputs[1]!));
      case 'batch-norm':
        return this.#batchNorm(layer, x);
      case 'stride-shortcut':
        return this.#strideShortcut(layer, x);
      case 'relu':
        return this.#relu(layer, x);
      case 'max-pool':
        this.#node('MaxPool', layer, [input], windowAttributes(layer));
        return { ...x, ...slide(x, layer, 1) };
      case 'global-average': {
        const levels = this.#levels(x.zeroPoint);
        if (this.#isFloat) this.#node('GlobalAveragePool', layer, [input]);
        else this.#node('QLinearGlobalAveragePool', layer, [input, ...levels, ...levels]);
        return { ...x, height: 1, width: 1 };
      }
    }
  }

  #conv(layer: PeerLayer & { readonly op: 'conv' }, x: Image): Image {
    const { channels, size, dilation, groups } = layer;
    const input = layer.inputs[0]!;
    const shape = [channels, x.channels / groups, ...size];
    const attributes = {
      ...windowAttributes(layer),
      dilations: { ints: [dilation, dilation] },
      group: { int: groups },
    };
    const y = { channels, ...slide(x, layer, dilation), ...rangeOf(layer) };
    if (this.#isFloat) this.#node('Conv', layer, [input, ...this.#floatWeights(layer, shape)], attributes);
    else {
      const { weights, scale, zeroPoint, bias } = this.#levelWeights(layer, shape, x);
      const operands = [input, ...this.#levels(x.zeroPoint), weights, scale, zeroPoint];
      this.#node('QLinearConv', layer, [...operands, ...this.#levels(y.zeroPoint), bias], attributes);
    }
    return y;
  }

  #dense(layer: PeerLayer & { readonly op: 'dense' }, x: Image): Image {
    const { channels } = layer;
    const flat = `${layer.name}/flat`;
    this.nodes.push({ op: 'Flatten', inputs: layer.inputs, outputs: [flat] });
    const shape = [channels, x.channels * x.height * x.width];
    const y = { channels, height: 1, width: 1, ...rangeOf(layer) };
    const attributes = { transB: { int: 1 } };
    if (this.#isFloat) this.#node('Gemm', layer, [flat, ...this.#floatWeights(layer, shape)], attributes);
    else {
      const { weights, scale, zeroPoint, bias } = this.#levelWeights(layer, shape, x);
      const operands = [flat, ...this.#levels(x.zeroPoint), weights, scale, zeroPoint, bias];
      this.#node('QGemm', layer, [...operands, ...this.#levels(y.zeroPoint)], attributes);
    }
    return y;
  }

  #add(layer: PeerLayer, a: Image, b: Image): Image {
    const y = { ...a, ...rangeOf(layer) };
    if (this.#isFloat) this.#node('Add', layer, layer.inputs);
    else {
      const operands = [a, b].flatMap(({ zeroPoint }, i) => [layer.inputs[i]!, ...this.#levels(zeroPoint)]);
      const scale = Math.hypot(a.magnitude, b.magnitude) / deviation;
      this.#node('QLinearAdd', layer, [...operands, ...this.#levels(y.zeroPoint, scale)]);
    }
    return y;
  }

  /** Every stride-th pixel is a pooling of single pixels; the new channels are padding. */
  #strideShortcut(layer: PeerLayer & { readonly op: 'stride-shortcut' }, x: Image): Image {
    const window: Window = { size: [1, 1], stride: layer.stride, pads: [0, 0, 0, 0] };
    const taken = `${layer.name}/taken`;
    this.nodes.push({ op: 'MaxPool', inputs: layer.inputs, outputs: [taken], attributes: windowAttributes(window) });
    const pads = BigInt64Array.of(0n, 0n, 0n, 0n, 0n, BigInt(layer.channels - x.channels), 0n, 0n);
    const zero = this.#isFloat ? Float32Array.of(0) : Uint8Array.of(x.zeroPoint);
    this.#node('Pad', layer, [taken, this.#store(`${taken}/pads`, [8], pads), this.#store(`${taken}/zero`, [], zero)]);
    return { ...x, channels: layer.channels, ...slide(x, window, 1) };
  }

  #relu(layer: PeerLayer, x: Image): Image {
    const input = layer.inputs[0]!;
    if (this.#isFloat) this.#node('Relu', layer, [input]);
    else this.#node('Clip', layer, [input, this.#levels(x.zeroPoint)[1]]);
    return x;
  }

  #batchNorm(layer: PeerLayer, x: Image): Image {
    const input = layer.inputs[0]!;
    if (this.#isFloat) {
      const values = { gamma: 1.1, beta: 0.1, mean: 0.1, variance: 0.9 };
      const operands = Object.entries(values).map(([name, value]) =>
        this.#store(`${layer.name}/${name}`, [x.channels], new Float32Array(x.channels).fill(value)),
      );
      this.#node('BatchNormalization', layer, [input, ...operands]);
      return x;
    }
    if (layer.relu) return this.#relu(layer, x);
    this.#node('Identity', layer, [input]);
    return x;
  }

  /** A node whose result is the layer's, with the relu behind it in fp32; in int8 the zero point is the relu. */
  #node(
    op: string,
    { name, relu }: PeerLayer,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): void {
    const isMicrosoft = ['QLinearAdd', 'QLinearGlobalAveragePool', 'QGemm'].includes(op);
    const hasRelu = relu === true && this.#isFloat;
    const output = hasRelu ? `${name}/linear` : name;
    this.nodes.push({
      op,
      name,
      inputs,
      outputs: [output],
      attributes,
      ...(isMicrosoft ? { domain: 'com.microsoft' } : {}),
    });
    if (hasRelu) this.nodes.push({ op: 'Relu', inputs: [output], outputs: [name] });
  }

  #store(name: string, shape: readonly number[], data: OnnxTensor['data']): string {
    this.initializers[name] = { shape, data };
    return name;
  }

  /** Scale and zero point of an int8 activation; only quotients of scales matter. */
  #levels(zeroPoint: number, scale = 1): [string, string] {
    return [
      this.#store(`levels/scale${scale}`, [], Float32Array.of(scale)),
      this.#store(`levels/zero${zeroPoint}`, [], Uint8Array.of(zeroPoint)),
    ];
  }

  /** Names of filter and bias; `shape` begins with the output channels. */
  #floatWeights({ name }: PeerLayer, shape: readonly number[]): [string, string] {
    const terms = shape.slice(1).reduce((product, extent) => product * extent, 1);
    const limit = Math.sqrt(6 / terms);
    const weights = Float32Array.from({ length: terms * shape[0]! }, () => (2 * this.#random.next() - 1) * limit);
    return [
      this.#store(`${name}/weights`, shape, weights),
      this.#store(`${name}/bias`, [shape[0]!], new Float32Array(shape[0]!).fill(0.01)),
    ];
  }

  #levelWeights({ name }: PeerLayer, shape: readonly number[], x: Image) {
    const channels = shape[0]!;
    const terms = shape.slice(1).reduce((product, extent) => product * extent, 1);
    const weights = Int8Array.from({ length: terms * channels }, () => this.#random.nextInt(255) - 127);
    const scale = deviation / (Math.sqrt(terms) * weightDeviation * x.magnitude);
    return {
      weights: this.#store(`${name}/weights`, shape, weights),
      scale: this.#store(
        `${name}/scale`,
        [channels],
        Float32Array.from({ length: channels }, (_, i) => scale * (1 + (i % 7) / 64)),
      ),
      zeroPoint: this.#store(`${name}/zero`, [channels], new Int8Array(channels)),
      bias: this.#store(`${name}/bias`, [channels], new Int32Array(channels).fill(64)),
    };
  }
}

function rangeOf({ relu }: PeerLayer): Pick<Image, 'zeroPoint' | 'magnitude'> {
  return relu ? { zeroPoint: 0, magnitude: reluDeviation } : { zeroPoint: 128, magnitude: deviation };
}

function windowAttributes({ size, stride, pads }: Window): Record<string, OnnxAttribute> {
  return { kernel_shape: { ints: size }, strides: { ints: [stride, stride] }, pads: { ints: pads } };
}

function slide(x: Image, { size, stride, pads }: Window, dilation: number): { height: number; width: number } {
  const along = (extent: number, side: number, before: number, after: number): number =>
    Math.floor((extent + before + after - (side - 1) * dilation - 1) / stride) + 1;
  return { height: along(x.height, size[0], pads[0], pads[2]), width: along(x.width, size[1], pads[1], pads[3]) };
}
