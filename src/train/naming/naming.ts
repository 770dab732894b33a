/**
 * Parameters by the names of other frameworks, and in their layouts.
 *
 * A naming says, for each variable of a network, what it is called there and how its numbers lie: as a list of axes, each of which is one
 * of ours. So a filter [KH, KW, C, K] is PyTorch's [K, C, KH, KW], and the way back is the same list read the other way. A dense
 * layer behind a flattened image takes the image's axes apart: ours are flattened as [H, W, C], PyTorch's as [C, H, W].
 */
import type { Graph, Value } from '../../core/graph.js';
import { type Shape, sizeOf } from '../../core/tensor.js';
import type { NetworkDescription } from '../../nn/network.js';
import { conv2d } from '../../ops/conv2d/conv2d.js';
import { reshape } from '../../ops/elementwise/elementwise.js';
import { SubbitError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import type { Checkpoint, CheckpointTensor } from '../checkpoint.js';

type Tensors = Checkpoint['tensors'];

/** A variable of our network, with what another framework's layout depends on. */
export interface OwnTensor {
  /** LAYER/filter, NORM/gamma, .. */
  readonly name: string;
  readonly shape: Shape;
  /** Of a dense layer's filter: the image [H, W, C] that was flattened for it, else [1, 1, C]. */
  readonly image?: Shape;
}

export interface ForeignTensor {
  /** What it may be called there, the usual name first. */
  readonly names: readonly string[];
  /** For each axis there, the axes of ours that it is made of (of `axesOf`), the outermost first. */
  readonly axes: readonly (readonly number[])[];
}

export interface Naming {
  readonly name: string;
  /** Whether a file with these names is by it. */
  recognizes(names: readonly string[]): boolean;
  /** What a file may have besides, which no network needs. */
  isIgnored(name: string): boolean;
  foreign(own: OwnTensor, preset: string): ForeignTensor;
  /** The names of a file as `foreign` gives them: without what frameworks put around them. */
  rename?(names: readonly string[], own: readonly OwnTensor[]): readonly string[];
  /** Converted parameters for what a network's images are for us, where they are something else there. */
  absorbInput?(tensors: Tensors, network: Pick<NetworkDescription, 'preset' | 'step' | 'zeroPoints'>): Tensors;
  /** Why a file that does not fit cannot, where that is known. */
  explain?(names: readonly string[], own: readonly OwnTensor[]): string | undefined;
}

/** A convolution's filter has the axes KH 0, KW 1, C 2, K 3; a dense layer's H 0, W 1, C 2, K 3 of its image; anything else its own. */
function axesOf({ shape, image }: OwnTensor): Shape {
  return image === undefined ? shape : [...image, shape.at(-1)!];
}

/** The variables of an evaluation graph that other frameworks know, in the order of the layers. */
export function ownTensors(graph: Graph): OwnTensor[] {
  const layers = new Map(graph.nodes.filter(({ op }) => op === conv2d).map((node) => [node.name, node.inputs[0]!]));
  return [...graph.variables.values()].map(({ value: { name, type } }): OwnTensor => {
    const input = name.endsWith('/filter') ? layers.get(name.slice(0, -'/filter'.length)) : undefined;
    const image = input && flattenedFor(input);
    return { name, shape: type.shape, ...(image && { image }) };
  });
}

/** The image [H, W, C] behind one vector per sample; undefined when `value` is an image itself. */
function flattenedFor(value: Value): Shape | undefined {
  const [, height, width, channels] = value.type.shape as [number, number, number, number];
  if (height !== 1 || width !== 1) return undefined;
  let from: Value | undefined = value;
  // Activations, norms and quantizers may stand between, but no other product.
  while (from?.node !== undefined && from.node.op !== reshape && from.node.op !== conv2d) from = from.node.inputs[0];
  const before = from?.node?.op === reshape ? from.node.inputs[0]!.type.shape : [];
  return before.length === 4 ? before.slice(1) : [1, 1, channels];
}

const foreignShape = (axes: ForeignTensor['axes'], extents: Shape): Shape =>
  axes.map((parts) => parts.reduce((product, axis) => product * extents[axis]!, 1));

/** `data`, whose axes are `extents`, with the axes in another order: `order[i]` is the axis of `data` that comes i-th. */
function transposed(data: Float32Array, extents: Shape, order: readonly number[]): Float32Array {
  const strides = extents.map((_, axis) => sizeOf(extents.slice(axis + 1)));
  const moved = new Float32Array(data.length);
  const place = order.map(() => 0);
  let from = 0;
  for (let to = 0; to < moved.length; to++) {
    moved[to] = data[from]!;
    for (let i = order.length - 1; i >= 0; i--) {
      const axis = order[i]!;
      from += strides[axis]!;
      if (++place[i]! < extents[axis]!) break;
      place[i] = 0;
      from -= strides[axis]! * extents[axis]!;
    }
  }
  return moved;
}

/** Parameters in another framework's names and layouts. */
export function toNaming(naming: Naming, own: readonly OwnTensor[], tensors: Tensors, preset: string): Tensors {
  return Object.fromEntries(
    own.map((tensor) => {
      const { names, axes } = naming.foreign(tensor, preset);
      const extents = axesOf(tensor);
      const data = transposed(tensors[tensor.name]!.data as Float32Array, extents, axes.flat());
      return [names[0]!, { shape: foreignShape(axes, extents), data }];
    }),
  );
}

export interface Foreign {
  readonly naming: Naming;
  /** For messages. */
  readonly file: string;
  readonly tensors: Tensors;
}

/** The network that parameters are for. */
export interface Destination {
  readonly preset: string;
  readonly own: readonly OwnTensor[];
  /** The layer that ends in the classes; how many they are, the file says. */
  readonly last: string;
}

/**
 * Parameters from another framework in our names and layouts. Throws a SubbitError for a parameter that is missing, has another shape
 * or has no place in the network.
 */
export function fromNaming({ naming, file, tensors }: Foreign, { preset, own, last }: Destination): Tensors {
  const names = Object.keys(tensors);
  const known = naming.rename?.(names, own) ?? names;
  const found = new Map(known.map((name, i) => [name, tensors[names[i]!]!]));
  const refuse = (rule: string): SubbitError =>
    new SubbitError(`'${file}' does not fit ${preset}: ${naming.explain?.(known, own) ?? rule}`);
  const needed = new Set(own.flatMap((tensor) => naming.foreign(tensor, preset).names));
  const converted = own.map((tensor): [string, CheckpointTensor] => {
    const foreign = naming.foreign(tensor, preset);
    const name = foreign.names.find((each) => found.has(each));
    if (name === undefined) {
      const near = nearest(
        foreign.names[0]!,
        [...found.keys()].filter((each) => !needed.has(each)),
      );
      throw refuse(`it has no '${foreign.names[0]}'${near === undefined ? '' : `; the nearest is '${near}'`}`);
    }
    const { shape, data } = found.get(name)!;
    found.delete(name);
    const { axes } = foreign;
    const extents = [...axesOf(tensor)];
    // Of the last layer's parameters, one axis is the classes': ours is the last.
    if (tensor.name.startsWith(`${last}/`)) {
      const place = axes.findIndex((parts) => parts.length === 1 && parts[0] === extents.length - 1);
      extents[extents.length - 1] = shape[place] ?? Number.NaN;
    }
    const expected = foreignShape(axes, extents);
    if (expected.join() !== shape.join())
      throw refuse(`'${name}' has the shape [${shape.join(', ')}], and [${expected.join(', ')}] is needed`);
    const order = axes.flat();
    const back = order.map((_, axis) => order.indexOf(axis));
    const between = order.map((axis) => extents[axis]!);
    const ownShape = [...tensor.shape.slice(0, -1), extents.at(-1)!];
    return [tensor.name, { shape: ownShape, data: transposed(data as Float32Array, between, back) }];
  });
  const [extra] = found.keys();
  if (extra !== undefined) {
    const near = nearest(extra, [...needed]);
    throw refuse(`it has no place for '${extra}'${near === undefined ? '' : `; the nearest is '${near}'`}`);
  }
  return Object.fromEntries(converted);
}
