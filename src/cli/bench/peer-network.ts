/**
 * What a peer runs for comparison: one convolution layer, or the network that a graph of layers describes, without its
 * quantizers, with every batch norm and relu folded into the layer before it where that is possible.
 */
import type { Graph, Node, Value } from '../../core/graph.js';
import type { AnyOp } from '../../core/op.js';
import { activate } from '../../ops/activation/activation.js';
import { batchNormalize } from '../../ops/batch-norm/batch-norm.js';
import { conv2d } from '../../ops/conv2d/conv2d.js';
import { add, addBias, reshape } from '../../ops/elementwise/elementwise.js';
import { averagePool, isWholeImage } from '../../ops/pool/average-pool.js';
import { maxPool } from '../../ops/pool/pool.js';
import { dequantize, quantizeUnit } from '../../ops/quantize/activations.js';
import { quantizeBackward } from '../../ops/quantize/gradients.js';
import { strideShortcut } from '../../ops/shortcut/shortcut.js';
import { SubbitError } from '../../util/errors.js';
import { type ConvShape, outPixels } from './conv-shapes.js';
import type { PeerLayer, PeerNetwork } from './peer-model.js';

/** How many copies of a layer a model has, so that the time of a call is shared among them. */
export const layersPerModel = 8;

/**
 * `layersPerModel` equal layers with a bias and a relu each, one after the other; where input and output differ in shape, all
 * on the same input.
 */
export function networkOfLayer(shape: ConvShape): PeerNetwork {
  const { pixels, inChannels, outChannels, size, stride, padding, groups } = shape;
  const isChain = inChannels === outChannels && outPixels(shape) === pixels;
  const layers = Array.from({ length: layersPerModel }, (_, i): PeerLayer => {
    const inputs = [isChain && i > 0 ? `layer${i - 1}` : 'images'];
    const pads = [padding, padding, padding, padding] as const;
    const geometry = { channels: outChannels, size: [size, size], stride, pads, dilation: 1, groups } as const;
    return { op: 'conv', name: `layer${i}`, inputs, relu: true, ...geometry };
  });
  return {
    name: shape.name,
    input: { height: pixels, width: pixels, channels: inChannels },
    layers,
    outputs: isChain ? [layers.at(-1)!.name] : layers.map(({ name }) => name),
  };
}

/** Ops that do nothing in a network of real numbers (add-bias: every layer of a peer has a bias). */
const passing: readonly AnyOp[] = [addBias, reshape, quantizeUnit, dequantize, quantizeBackward];

/** The layers between `images` and `logits` of an evaluation graph. Throws a SubbitError for an op that it does not know. */
export function networkOfGraph(name: string, graph: Graph, images: Value, logits: Value): PeerNetwork {
  const layers = new Map<string, PeerLayer>();
  /** The layer, or 'images', that a value is computed by. */
  const layerOf = new Map<Value, string>([[images, 'images']]);
  const uses = countUses(graph);

  /** Whether nobody but `value`'s one reader sees the layer's result, so that the reader can become part of it. */
  const isOpen = (value: Value): boolean => {
    const [x] = value.node?.inputs ?? [];
    if (uses.get(value) !== 1) return false;
    const isFirst = value.node === undefined || x === undefined || layerOf.get(x) !== layerOf.get(value);
    return isFirst || isOpen(x);
  };
  const endWithRelu = (value: Value): boolean => {
    const layer = layers.get(layerOf.get(value)!);
    if (layer === undefined || !isOpen(value)) return false;
    // A relu and a maximum may change places: before the pool it costs nothing.
    if (layer.op === 'max-pool') return endWithRelu(poolInputs.get(layer.name)!);
    layers.set(layer.name, { ...layer, relu: true });
    return true;
  };
  const poolInputs = new Map<string, Value>();

  for (const node of graph.nodes) {
    const [x] = node.inputs as [Value, ...Value[]];
    const source = layerOf.get(x);
    const y = node.outputs[0]!;
    // Quantizers of weights and the like: not computed from the images.
    if (source === undefined) continue;
    const layer = layers.get(source);
    const isFolded =
      passing.some(({ name }) => name === node.op.name) ||
      (node.op.name === batchNormalize.name && layer?.op === 'conv' && !layer.relu && isOpen(x)) ||
      (node.op.name === activate.name && endWithRelu(x));
    if (isFolded) layerOf.set(y, source);
    else {
      layers.set(node.name, layerOfNode(node, layerOf));
      layerOf.set(y, node.name);
      if (node.op.name === maxPool.name) poolInputs.set(node.name, x);
    }
    if (y === logits) break;
  }
  const [, height, width, channels] = images.type.shape as [number, number, number, number];
  return { name, input: { height, width, channels }, layers: [...layers.values()] };
}

function countUses(graph: Graph): Map<Value, number> {
  const uses = new Map<Value, number>();
  for (const node of graph.nodes)
    for (const value of node.inputs) if (value !== undefined) uses.set(value, (uses.get(value) ?? 0) + 1);
  return uses;
}

function layerOfNode(node: Node, layerOf: ReadonlyMap<Value, string>): PeerLayer {
  const { name, attributes, op } = node;
  const [x, second] = node.inputs as [Value, Value];
  const y = node.outputs[0]!.type.shape as [number, number, number, number];
  const inputs = [layerOf.get(x)!];
  const channels = y[3];
  switch (op.name) {
    case conv2d.name: {
      const [, height, width] = x.type.shape as [number, number, number, number];
      if (height === 1 && width === 1) return { op: 'dense', name, inputs, channels };
      const [filterHeight, filterWidth] = second.type.shape as [number, number, number, number];
      const { groups = 1, dilation = 1 } = attributes as { groups?: number; dilation?: number };
      const window = windowOf(node, [filterHeight, filterWidth], dilation);
      return { op: 'conv', name, inputs, channels, groups, dilation, ...window };
    }
    case maxPool.name:
      return { op: 'max-pool', name, inputs, ...windowOf(node, [attributes.size, attributes.size], 1) };
    case averagePool.name:
      if (isWholeImage(x.type.shape, attributes)) return { op: 'global-average', name, inputs };
      throw new SubbitError(`${name}: peers have no counterpart of means over windows`);
    case batchNormalize.name:
      return { op: 'batch-norm', name, inputs };
    case activate.name:
      return { op: 'relu', name, inputs };
    case add.name:
      return { op: 'add', name, inputs: [...inputs, layerOf.get(second)!] };
    case strideShortcut.name:
      return { op: 'stride-shortcut', name, inputs, channels, stride: attributes.stride };
    default:
      throw new SubbitError(`${name}: peers have no counterpart of ${op.name}`);
  }
}

function windowOf(node: Node, size: readonly [number, number], dilation: number) {
  const { stride, padTop, padLeft } = node.attributes as { stride: number; padTop: number; padLeft: number };
  const [, height, width] = node.inputs[0]!.type.shape as [number, number, number, number];
  const [, outHeight, outWidth] = node.outputs[0]!.type.shape as [number, number, number, number];
  const after = (extent: number, out: number, side: number, before: number): number =>
    Math.max(0, (out - 1) * stride + (side - 1) * dilation + 1 - extent - before);
  const bottom = after(height, outHeight, size[0], padTop);
  const right = after(width, outWidth, size[1], padLeft);
  return { size, stride, pads: [padTop, padLeft, bottom, right] as const };
}
