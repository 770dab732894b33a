/**
 * The table of layers: shapes, bits, parameters, bytes and multiply-accumulates by precision, read off the graph.
 *
 * Bytes are those of the weights packed at their bits, and of two float32 numbers per channel for a batch norm (its four
 * folded into scale and shift). Bit operations follow the paper (DoReFa-Net 2.1): a product of W-bit and A-bit numbers costs
 * W * A of them; a product with a float operand counts as a float multiply-accumulate. Filters that `group-filters` draws from a
 * sub-codebook count as indices into it and the codebook itself, once where layers share it (sub-bit-accounting.ts).
 */
import type { Graph, Node, Value } from '../core/graph.js';
import { sizeOf, type TensorType } from '../core/tensor.js';
import { batchNormalize } from '../ops/batch-norm/batch-norm.js';
import { conv2d } from '../ops/conv2d/conv2d.js';
import { addBias } from '../ops/elementwise/elementwise.js';
import { quantizeBackward } from '../ops/quantize/gradients.js';
import { rprelu } from '../ops/rprelu/rprelu.js';
import { groupFilters } from '../ops/selection/group-filters.js';
import { codewordCosts } from './sub-bit-accounting.js';

export interface LayerSummary {
  readonly name: string;
  /** 'conv2d', 'dense', 'batch-norm', 'bias', 'rprelu' or 'prelu'. */
  readonly op: string;
  /** Without the batch axis. */
  readonly outputShape: readonly number[];
  /** 32 = float. Image bytes count as 8-bit activations. */
  readonly weightBits: number;
  readonly activationBits: number;
  readonly gradientBits: number;
  readonly parameters: number;
  readonly weightBytes: number;
  /** Per image. */
  readonly macs: number;
  /** Per image; 0 where an operand is float. */
  readonly bitOps: number;
  /** Of filters that are drawn from a sub-codebook: how many codewords it has, */
  readonly codewords?: number;
  /** the bits of the indices alone, */
  readonly indexBits?: number;
  /** and the bit operations where output channels share the responses to codewords. */
  readonly sharedBitOps?: number;
}

export interface NetworkSummary {
  readonly layers: readonly LayerSummary[];
  readonly totals: {
    readonly parameters: number;
    readonly macs: number;
    readonly bitOps: number;
    /** The bits of all indices, and bit operations with shared responses where there are any; absent without sub-codebooks. */
    readonly indexBits?: number;
    readonly sharedBitOps?: number;
    /** Multiply-accumulates with a float operand. */
    readonly floatMacs: number;
    /** Of the filters: their bits divided by their number. */
    readonly bitsPerWeight: number;
    /** Bytes of the filters. */
    readonly weightBytes: number;
    /** Bytes of all parameters, packed. */
    readonly predictedBytes: number;
    /** Bytes of all parameters as float32. */
    readonly float32Bytes: number;
  };
}

const floatBytes = Float32Array.BYTES_PER_ELEMENT;

/** `graph` is a training graph (its gradient quantizers are part of the table). */
export function summarize(graph: Graph): NetworkSummary {
  const gradientBits = new Map<Value, number>();
  for (const node of graph.nodes) {
    if (node.op.name === quantizeBackward.name)
      gradientBits.set(node.inputs[0]!, (node.attributes as { bits: number }).bits);
  }
  const layers: LayerSummary[] = [];
  const counted = new Set<Value>();
  for (const node of graph.nodes) {
    if (node.op.name === conv2d.name)
      layers.push(summarizeConv(node, gradientBits.get(node.outputs[0]!) ?? 32, counted));
    else if (node.op.name === batchNormalize.name) layers.push(summarizeFloat(node, 'batch-norm', 2));
    else if (node.op.name === rprelu.name)
      layers.push(isPrelu(graph, node) ? summarizeFloat(node, 'prelu', 1) : summarizeFloat(node, 'rprelu', 3));
    else if (node.op.name === addBias.name) layers.push(summarizeFloat(node, 'bias', 1));
  }
  const total = (of: (layer: LayerSummary) => number): number => layers.reduce((sum, layer) => sum + of(layer), 0);
  const weights = total((layer) => (layer.macs > 0 ? layer.parameters : 0));
  const weightBytes = total((layer) => (layer.macs > 0 ? layer.weightBytes : 0));
  const parameters = total((layer) => layer.parameters);
  return {
    layers,
    totals: {
      parameters,
      macs: total((layer) => layer.macs),
      bitOps: total((layer) => layer.bitOps),
      ...totalsOfCodewords(layers),
      floatMacs: total((layer) => (layer.bitOps === 0 ? layer.macs : 0)),
      bitsPerWeight: (weightBytes * 8) / weights,
      weightBytes,
      predictedBytes: total((layer) => layer.weightBytes),
      float32Bytes: parameters * floatBytes,
    },
  };
}

/** Without shifts: kink and offset are constant. */
export function isPrelu({ constants }: Graph, { op, inputs }: Node): boolean {
  return op.name === rprelu.name && constants.has(inputs[1]!);
}

function bitsOf(type: TensorType): number {
  return type.encoding === undefined ? 32 : Math.log2(type.encoding.max + 1);
}

/** The totals that only networks with sub-codebooks have. */
export function totalsOfCodewords(
  layers: readonly Pick<LayerSummary, 'bitOps' | 'codewords' | 'indexBits' | 'sharedBitOps'>[],
): { readonly indexBits?: number; readonly sharedBitOps?: number } {
  if (layers.every(({ codewords }) => codewords === undefined)) return {};
  return {
    indexBits: layers.reduce((sum, layer) => sum + (layer.indexBits ?? 0), 0),
    sharedBitOps: layers.reduce((sum, layer) => sum + (layer.sharedBitOps ?? layer.bitOps), 0),
  };
}

/** `counted`: the lists of ids whose codebook an earlier layer has. */
function summarizeConv(node: Node, gradientBits: number, counted: Set<Value>): LayerSummary {
  const [x, filter] = node.inputs as [Value, Value];
  const [, outHeight, outWidth, channels] = node.outputs[0]!.type.shape as [number, number, number, number];
  const parameters = sizeOf(filter.type.shape);
  const weightBits = bitsOf(filter.type);
  const activationBits = bitsOf(x.type);
  const macs = outHeight * outWidth * parameters;
  const isDense = x.type.shape[1] === 1 && x.type.shape[2] === 1;
  const ids = filter.node?.op.name === groupFilters.name ? filter.node.inputs[1]! : undefined;
  const geometry = { inChannels: x.type.shape[3]!, outChannels: channels, groups: node.attributes.groups };
  const costs = ids && codewordCosts({ ...geometry, outPixels: outHeight * outWidth }, sizeOf(ids.type.shape));
  const hasCodebook = ids !== undefined && !counted.has(ids);
  if (hasCodebook) counted.add(ids);
  return {
    name: node.name,
    op: isDense ? 'dense' : 'conv2d',
    outputShape: isDense ? [channels] : [outHeight, outWidth, channels],
    weightBits,
    activationBits,
    gradientBits,
    parameters,
    weightBytes: costs
      ? Math.ceil(costs.indexBits / 8) + (hasCodebook ? Math.ceil(costs.codebookBits / 8) : 0)
      : Math.ceil((parameters * weightBits) / 8),
    macs,
    bitOps: weightBits < 32 && activationBits < 32 ? macs * weightBits * activationBits : 0,
    ...(costs && {
      codewords: costs.codewords,
      indexBits: costs.indexBits,
      sharedBitOps: activationBits < 32 ? costs.sharedOps * activationBits : 0,
    }),
  };
}

function summarizeFloat(node: Node, op: string, perChannel: number): LayerSummary {
  const shape = node.outputs[0]!.type.shape.slice(1);
  const parameters = perChannel * shape[shape.length - 1]!;
  const bits = { weightBits: 32, activationBits: 32, gradientBits: 32 };
  return {
    name: node.name,
    op,
    outputShape: shape,
    ...bits,
    parameters,
    weightBytes: parameters * floatBytes,
    macs: 0,
    bitOps: 0,
  };
}
