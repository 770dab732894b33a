/** The list of namings: a new one is a file here and an entry below. */
import type { Graph } from '../../core/graph.js';
import type { NetworkDescription } from '../../nn/network.js';
import { isSelectionVariable } from '../../nn/selection.js';
import { conv2d } from '../../ops/conv2d/conv2d.js';
import type { Checkpoint } from '../checkpoint.js';
import { type Foreign, fromNaming, type Naming, type OwnTensor, ownTensors, toNaming } from './naming.js';
import { pytorch } from './pytorch.js';
import { tensorpack } from './tensorpack.js';

export type { Foreign, Naming } from './naming.js';

type Tensors = Checkpoint['tensors'];

export const namings: Readonly<Record<string, Naming>> = { pytorch, tensorpack };

/** Those that a network can be written by: its images are what they are for us. */
export const namingsOut: Readonly<Record<string, Naming>> = { pytorch };

/** The naming that a file's names are by; undefined for ours. */
export function namingOf(names: readonly string[]): Naming | undefined {
  return Object.values(namings).find((naming) => naming.recognizes(names));
}

const trainedTensors = (graph: Graph): OwnTensor[] =>
  ownTensors(graph).filter(({ name }) => !isSelectionVariable(name));

/** Parameters in our names and layouts, and how many classes they are for. Throws a SubbitError that says what does not fit. */
export function toOwn(
  foreign: Foreign,
  graph: Graph,
  network: NetworkDescription,
): { readonly tensors: Tensors; readonly classes: number } {
  const last = graph.nodes.findLast(({ op }) => op === conv2d)!.name;
  const { preset } = network;
  const tensors = fromNaming(foreign, { preset, own: trainedTensors(graph), last });
  const classes = tensors[`${last}/filter`]!.shape.at(-1)!;
  return { tensors: foreign.naming.absorbInput?.(tensors, network) ?? tensors, classes };
}

/** A network's parameters by another framework's names. */
export function toForeign(naming: Naming, tensors: Tensors, graph: Graph, preset: string): Tensors {
  return toNaming(naming, trainedTensors(graph), tensors, preset);
}
