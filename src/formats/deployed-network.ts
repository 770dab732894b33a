/**
 * A deployed network as plain data: what a `.subbit` file holds. Nodes name the values that they read, attributes are plain
 * JSON, and nothing depends on a batch: shapes of values are inferred again when a graph is built for a number of images.
 *
 * From the image's bytes to the last accumulators everything is integer; `input.step` and the output's step, which follows
 * from the encodings, say what the integers mean in reals.
 */
import { Graph, type Node, type Value } from '../core/graph.js';
import { quantized, type Shape, type TensorType, type TypedArray } from '../core/tensor.js';
import { runtimeOps } from '../ops/runtime.js';
import { SubbitError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';

/** The bytes that the network takes: [N, height, width, channels], real value (byte - zeroPoints[channel]) * step. */
export interface NetworkInput {
  readonly height: number;
  readonly width: number;
  /** 1 .. 4 */
  readonly channels: number;
  /** One, or one per channel. */
  readonly zeroPoints: readonly number[];
  readonly step: number;
}

/** How any image becomes the network's input, by the names of the methods of src/image. */
export interface Preprocessing {
  /** Triangle filter, antialiased, in integers (src/image/resize.ts). */
  readonly resize: 'bilinear-antialiased';
  /** Colour to grey by BT.601 luminance, grey to three equal channels (src/image/channels.ts). */
  readonly channels: 'bt601';
}

export const preprocessing: Preprocessing = { resize: 'bilinear-antialiased', channels: 'bt601' };

export type NodeAttributes = Readonly<Record<string, number | readonly number[]>>;

export interface NetworkNode {
  /** Unique among nodes and constants; also the name of the value that the node computes. */
  readonly name: string;
  /** A name of `runtimeOps`. */
  readonly op: string;
  /** Names of 'images', of constants and of nodes before this one, in the order of the op's slots; absent ones at the end are left out. */
  readonly inputs: readonly string[];
  /** The op's own. Of `reshape`: the shape without the batch axis. */
  readonly attributes: NodeAttributes;
}

export interface NetworkConstant {
  readonly type: TensorType;
  /** As the type says; u8 levels one byte each (a file packs them at their bits). */
  readonly data: TypedArray;
}

/** What the network must compute: `count` images of random bytes (verification.ts), and their logits. */
export interface Verification {
  readonly seed: number;
  readonly count: number;
  /** [count, classes] */
  readonly expected: Int32Array;
}

export interface DeployedNetwork {
  readonly input: NetworkInput;
  readonly preprocessing: Preprocessing;
  /** Names in label order. */
  readonly classes: readonly string[];
  /** In the order of execution. */
  readonly nodes: readonly NetworkNode[];
  readonly constants: Readonly<Record<string, NetworkConstant>>;
  /** The node whose value is the logits: i32, `classes` elements per image. */
  readonly output: string;
  /** Where the network comes from, for people: `preset`, `bits` and whatever else is worth keeping. */
  readonly origin: Readonly<Record<string, string>>;
  readonly verification?: Verification;
}

export const imagesName = 'images';
export const logitsName = 'logits';

/** The type of the input for a number of images. */
export function imagesType({ height, width, channels, zeroPoints, step }: NetworkInput, batch: number): TensorType {
  return quantized([batch, height, width, channels], { kind: 'levels', max: 255, step, zeroPoints });
}

/** The graph for `batch` images: input 'images', output 'logits'. Throws a SubbitError for a node that does not fit. */
export function toGraph(network: DeployedNetwork, batch: number): Graph {
  const graph = new Graph();
  const values = new Map<string, Value>();
  values.set(imagesName, graph.input(imagesName, imagesType(network.input, batch)));
  for (const [name, { type, data }] of Object.entries(network.constants)) {
    values.set(name, graph.constant(name, type, data));
  }
  for (const node of network.nodes) {
    const op = lookUp(runtimeOps, node.op, 'operation');
    const inputs = op.inputs.map((_, i) => {
      const name = node.inputs[i];
      return name === undefined ? undefined : valueNamed(values, name, node.name);
    });
    values.set(node.name, graph.apply(op, node.name, inputs, attributesFor(node, batch)));
  }
  graph.output(logitsName, valueNamed(values, network.output, 'the output'));
  return graph;
}

function valueNamed(values: ReadonlyMap<string, Value>, name: string, user: string): Value {
  const value = values.get(name);
  if (value === undefined) throw new SubbitError(`${user}: there is no value '${name}' before it`);
  return value;
}

/** The op's attributes for a batch. */
export function attributesFor({ op, attributes }: NetworkNode, batch: number): NodeAttributes {
  if (op !== runtimeOps.reshape!.name) return attributes;
  return { ...attributes, shape: [batch, ...(attributes.shape as readonly number[])] };
}

/**
 * A graph of batch 1 (input 'images', output 'logits', constants, ops of `runtimeOps`) as plain data. Throws a SubbitError
 * when two values have one name.
 */
export function fromGraph(
  graph: Graph,
  { classes, origin }: Pick<DeployedNetwork, 'classes' | 'origin'>,
): DeployedNetwork {
  const images = graph.inputs.get(imagesName);
  const logits = graph.outputs.get(logitsName);
  if (images === undefined || logits === undefined || images.type.shape[0] !== 1) {
    throw new SubbitError(
      `a deployed network has the input '${imagesName}' of one image and the output '${logitsName}'`,
    );
  }
  const names = new Map<string, Value>([[imagesName, images]]);
  const claim = (value: Value): void => {
    if (names.has(value.name)) throw new SubbitError(`two values of the network are named '${value.name}'; rename one`);
    names.set(value.name, value);
  };
  const constants: Record<string, NetworkConstant> = {};
  for (const [value, data] of graph.constants) {
    claim(value);
    constants[value.name] = { type: value.type, data };
  }
  const nodes = graph.nodes.map((node): NetworkNode => {
    claim(node.outputs[0]!);
    const inputs = node.inputs.flatMap((value) => (value === undefined ? [] : [value.name]));
    return { name: node.name, op: node.op.name, inputs, attributes: attributesOf(node) };
  });
  const [, height, width, channels] = images.type.shape as [number, number, number, number];
  const { zeroPoints = [0], step } = images.type.encoding!;
  return {
    input: { height, width, channels, zeroPoints, step },
    preprocessing,
    classes,
    nodes,
    constants,
    output: logits.name,
    origin,
  };
}

function attributesOf({ op, attributes }: Node): NodeAttributes {
  if (op.name !== runtimeOps.reshape!.name) return attributes as NodeAttributes;
  return { ...(attributes as NodeAttributes), shape: (attributes as { shape: Shape }).shape.slice(1) };
}
