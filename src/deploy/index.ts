/** From a trained network to a deployed one: deploy rounding (inexact where the network was float), then lowering (exact). */
import type { Graph } from '../core/graph.js';
import type { TypedArray } from '../core/tensor.js';
import { type DeployedNetwork, fromGraph } from '../formats/deployed-network.js';
import { buildGraph, defineNetwork, type NetworkDefinition, type NetworkDescription } from '../nn/network.js';
import type { Checkpoint } from '../train/checkpoint.js';
import type { RunDescription } from '../train/config.js';
import { SubbitError } from '../util/errors.js';
import { lowerNetwork } from './lower.js';
import { roundNetwork } from './round.js';
import type { Rounding } from './rounding.js';

export type { Rounding } from './rounding.js';

export interface Deployment {
  readonly network: DeployedNetwork;
  /** What was rounded on the way. */
  readonly roundings: readonly Rounding[];
}

/** Throws a SubbitError that names the layer for what cannot be deployed. */
export function deployCheckpoint(
  checkpoint: Checkpoint,
  options: { readonly network?: NetworkDefinition } = {},
): Deployment {
  const { network: description } = checkpoint.network as RunDescription;
  const definition = options.network ?? defineNetwork(description);
  const contents = new Map(Object.entries(checkpoint.tensors).map(([name, { data }]) => [name, data]));
  return deployNetwork(definition, contents, description);
}

/** `contents` has the network's variables by name. */
export function deployNetwork(
  definition: NetworkDefinition,
  contents: ReadonlyMap<string, TypedArray>,
  description: Pick<NetworkDescription, 'preset' | 'width' | 'bits' | 'classes'>,
): Deployment {
  const { graph } = buildGraph(definition, { batch: 1, training: false, seed: 0 });
  for (const name of graph.variables.keys()) {
    if (!contents.has(name)) throw new SubbitError(`the checkpoint has no tensor '${name}', which the network needs`);
  }
  const { preset, width, bits, classes } = description;
  return deployGraph(graph, contents, { classes, origin: { preset, bits, ...(width === undefined ? {} : { width }) } });
}

/** From an evaluation graph of batch 1, from 'images' to 'logits'; `contents` has its variables by name. */
export function deployGraph(
  graph: Graph,
  contents: ReadonlyMap<string, TypedArray>,
  about: { readonly classes: readonly string[]; readonly origin: Readonly<Record<string, string>> },
): Deployment {
  const rounded = roundNetwork(graph, contents);
  return { network: fromGraph(lowerNetwork(rounded.graph), about), roundings: rounded.roundings };
}
