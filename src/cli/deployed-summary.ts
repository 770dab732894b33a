/**
 * The table of a deployed network: layers with their bits, bytes and multiply-accumulates, and the encoding of every edge.
 * Bytes are those of the file; a codebook counts for the first layer that uses it. All products are of integers, so there are no
 * float multiply-accumulates.
 */
import { type Encoding, sizeOf, type TensorType } from '../core/tensor.js';
import {
  bytesOfCodebook,
  bytesOfConstant,
  bytesOfTable,
  type DecodedFile,
  type NetworkNode,
} from '../formats/subbit.js';
import { codewordCosts } from '../nn/sub-bit-accounting.js';
import { totalsOfCodewords } from '../nn/summary.js';

export interface DeployedLayer {
  readonly name: string;
  /** 'conv2d' or 'dense' where there are weights, else the operation. */
  readonly op: string;
  /** Without the batch axis. */
  readonly outputShape: readonly number[];
  /** Of filters, and of the image bytes or levels that they meet; 32 for the integers of thresholds and factors. */
  readonly weightBits: number;
  readonly activationBits: number;
  readonly parameters: number;
  readonly weightBytes: number;
  /** Per image. */
  readonly macs: number;
  readonly bitOps: number;
  /** Of filters that stand in the file as indices into a codebook: its codewords, */
  readonly codewords?: number;
  /** the bits of the indices alone at ceil(log2 codewords) each, however they are stored, */
  readonly indexBits?: number;
  /** and the bit operations where output channels share the responses to codewords. */
  readonly sharedBitOps?: number;
}

/** What lies between two nodes. */
export interface Edge {
  readonly name: string;
  readonly op: string;
  /** Without the batch axis. */
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly encoding: Encoding;
}

export interface DeployedSummary {
  readonly layers: readonly DeployedLayer[];
  readonly edges: readonly Edge[];
  readonly totals: {
    readonly parameters: number;
    readonly macs: number;
    readonly bitOps: number;
    /** The bits of all indices, and bit operations with shared responses where there are any; absent without codebooks. */
    readonly indexBits?: number;
    readonly sharedBitOps?: number;
    readonly floatMacs: 0;
    readonly bitsPerWeight: number;
    /** Bytes of the filters. */
    readonly weightBytes: number;
    /** Of the file, from this table. */
    readonly predictedBytes: number;
    readonly fileBytes: number;
    /** The same network in float32: its filters, and scale and shift for each channel that has thresholds or factors. */
    readonly float32Bytes: number;
  };
}

const convolution = 'integer-conv2d';
const floatBytes = 4;

export function summarizeDeployed(decoded: DecodedFile, fileBytes: number): DeployedSummary {
  const { network, types, macs, table } = decoded;
  const counted = new Set<number>();
  const layers = network.nodes
    .map((node) => layerOf(node, decoded, counted))
    .filter(({ parameters }) => parameters > 0);
  const filters = layers.filter((layer) => layer.macs > 0);
  const total = (of: (layer: DeployedLayer) => number, from = layers): number =>
    from.reduce((sum, layer) => sum + of(layer), 0);
  const weights = total(({ parameters }) => parameters, filters);
  const weightBytes = total((layer) => layer.weightBytes, filters);
  const channels = layers.filter((layer) => layer.macs === 0).map(({ outputShape }) => outputShape.at(-1)!);
  const edges = [...types].map(([name, { dtype, shape, encoding }]): Edge => {
    const op = network.nodes.find((node) => node.name === name)?.op ?? 'input';
    return { name, op, shape: shape.slice(1), dtype, encoding: encoding! };
  });
  return {
    layers,
    edges,
    totals: {
      parameters: total(({ parameters }) => parameters),
      macs,
      bitOps: total(({ bitOps }) => bitOps),
      ...totalsOfCodewords(layers),
      floatMacs: 0,
      bitsPerWeight: (weightBytes * 8) / weights,
      weightBytes,
      predictedBytes: bytesOfTable(table),
      fileBytes,
      float32Bytes: floatBytes * (weights + 2 * channels.reduce((sum, count) => sum + count, 0)),
    },
  };
}

/** `counted`: the codebooks that earlier layers have. */
function layerOf(node: NetworkNode, { types, table }: DecodedFile, counted: Set<number>): DeployedLayer {
  const constants = node.inputs.flatMap((name) => table.constants[name] ?? []);
  const bytes = constants.reduce((sum, constant) => sum + bytesOfConstant(constant, table), 0);
  const outputShape = types.get(node.name)!.shape.slice(1);
  const base = { name: node.name, outputShape };
  if (node.op !== convolution) {
    const parameters = constants.reduce((sum, { type }) => sum + sizeOf(type.shape), 0);
    const bits = { weightBits: 32, activationBits: 32 };
    return { ...base, op: node.op, parameters, weightBytes: bytes, ...bits, macs: 0, bitOps: 0 };
  }
  const input = types.get(node.inputs[0]!)!;
  const [outHeight, outWidth, outChannels] = outputShape as [number, number, number];
  const { type: filter, stored } = constants[0]!;
  const parameters = sizeOf(filter.shape);
  const macs = outHeight * outWidth * parameters;
  const isDense = input.shape[1] === 1 && input.shape[2] === 1;
  const weightBits = bitsOf(filter);
  const activationBits = bitsOf(input);
  const codewords = stored && table.codebooks[stored.codebook]!;
  const geometry = { inChannels: input.shape[3]!, outChannels, groups: Number(node.attributes.groups) };
  const costs = codewords && codewordCosts({ ...geometry, outPixels: outHeight * outWidth }, codewords);
  const hasCodebook = stored !== undefined && !counted.has(stored.codebook);
  if (hasCodebook) counted.add(stored.codebook);
  return {
    ...base,
    parameters,
    weightBytes: bytes + (hasCodebook ? bytesOfCodebook(codewords!) : 0),
    op: isDense ? 'dense' : 'conv2d',
    weightBits,
    activationBits,
    macs,
    bitOps: macs * weightBits * activationBits,
    ...(costs && {
      codewords: costs.codewords,
      indexBits: costs.indexBits,
      sharedBitOps: costs.sharedOps * activationBits,
    }),
  };
}

/** Bits that tell the levels apart; of signed integers, those of two's complement. */
function bitsOf({ encoding }: TensorType): number {
  const { kind, max } = encoding!;
  return Math.ceil(Math.log2(max + 1)) + (kind === 'integer' ? 1 : 0);
}

/** "levels 0..3", "levels 0..255 about 125, 123, 114 / 63.0", "bipolar -1..1", "integers up to 1234567" */
export function describeEncoding({ kind, max, zeroPoints }: Encoding): string {
  if (kind === 'integer') return `integers up to ${max.toLocaleString('en')}`;
  if (kind === 'bipolar') return `bipolar -${max}..${max}`;
  const isPlain = zeroPoints === undefined || zeroPoints.every((point) => point === 0);
  return `levels 0..${max}${isPlain ? '' : ` about ${zeroPoints.join(', ')}`}`;
}
