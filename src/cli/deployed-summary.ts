/**
 * The table of a deployed network: layers with their bits, bytes and multiply-accumulates, and the encoding of every edge.
 * Bytes are those of the file. All products are of integers, so there are no float multiply-accumulates.
 */
import { type Encoding, sizeOf, type TensorType } from '../core/tensor.js';
import { packedBits, packedBytes } from '../formats/bit-packing.js';
import { type DecodedNetwork, type NetworkNode, predictBytes } from '../formats/subbit.js';

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

export function summarizeDeployed(decoded: DecodedNetwork, fileBytes: number): DeployedSummary {
  const { network, types, macs } = decoded;
  const layers = network.nodes.map((node) => layerOf(node, decoded)).filter(({ parameters }) => parameters > 0);
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
      floatMacs: 0,
      bitsPerWeight: (weightBytes * 8) / weights,
      weightBytes,
      predictedBytes: predictBytes(network),
      fileBytes,
      float32Bytes: floatBytes * (weights + 2 * channels.reduce((sum, count) => sum + count, 0)),
    },
  };
}

function layerOf(node: NetworkNode, { network, types }: DecodedNetwork): DeployedLayer {
  const constants = node.inputs.flatMap((name) => network.constants[name]?.type ?? []);
  const parameters = constants.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const weightBytes = constants.reduce((sum, type) => sum + bytesInFile(type), 0);
  const outputShape = types.get(node.name)!.shape.slice(1);
  const base = { name: node.name, outputShape, parameters, weightBytes };
  if (node.op !== convolution) {
    return { ...base, op: node.op, weightBits: 32, activationBits: 32, macs: 0, bitOps: 0 };
  }
  const input = types.get(node.inputs[0]!)!;
  const [outHeight, outWidth] = outputShape as [number, number];
  const macs = outHeight * outWidth * parameters;
  const isDense = input.shape[1] === 1 && input.shape[2] === 1;
  const weightBits = bitsOf(constants[0]!);
  const activationBits = bitsOf(input);
  return {
    ...base,
    op: isDense ? 'dense' : 'conv2d',
    weightBits,
    activationBits,
    macs,
    bitOps: macs * weightBits * activationBits,
  };
}

function bytesInFile({ dtype, shape, encoding }: TensorType): number {
  if (dtype === 'u8') return packedBytes(sizeOf(shape), packedBits(encoding!));
  return sizeOf(shape) * (dtype === 'i16' ? 2 : 4);
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
