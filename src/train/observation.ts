/**
 * What lies inside a training step, for people who look: the training graph with simulated products on the session's variables,
 * without what writes to variables, as a plan of its own. On the same batch and the same random numbers it computes what the step
 * computes, so a training has the same bits with and without it, and its other steps the same speed. (Two steps differ: the first
 * where scales begin with its batch, and one that renews a selection. Both are written in the step itself, so what is seen is what was before.)
 */
import { Plan, type Variables } from '../backends/plan.js';
import type { Graph, Node, Value } from '../core/graph.js';
import { buildGraph, type NetworkDefinition } from '../nn/network.js';
import { conv2d, conv2dFilterGradient } from '../ops/conv2d/conv2d.js';
import { differentiate } from '../passes/differentiate.js';

/** A convolution or dense layer. */
export interface ObservedLayer {
  readonly name: string;
  /** The parameter behind the filter. */
  readonly parameter: string;
  readonly input: Value;
  readonly filter: Value;
  /** Of the output, as the product for the filter's gradient takes it. */
  readonly gradient: Value | undefined;
}

export interface ObservationOptions {
  readonly batch: number;
  readonly seed: number;
  /** Whether steps have targets in place of labels. @default false */
  readonly distilled?: boolean;
  /** @default 0 */
  readonly labelSmoothing?: number;
}

/** A step's batch. */
export interface ObservedBatch {
  readonly images: Uint8Array;
  readonly labels: ArrayLike<number>;
  /** Steps done before: it draws the noise. */
  readonly step: number;
  /** Of distilled steps, [batch, classes]. */
  readonly targets?: Float32Array | undefined;
}

/** A training graph with its gradients, to be looked into: add what is to be computed besides, then `planOf`. */
export function observe(
  network: NetworkDefinition,
  options: ObservationOptions,
): { readonly graph: Graph; readonly layers: readonly ObservedLayer[] } {
  const { graph, losses } = buildGraph(network, { ...options, training: true });
  const parameters = [...graph.variables.values()].filter(({ role }) => role === 'parameter');
  differentiate(
    graph,
    losses,
    parameters.map(({ value }) => value),
  );
  const filterGradients = new Map(
    graph.nodes.filter(({ op }) => op.name === conv2dFilterGradient.name).map((node) => [node.name, node]),
  );
  const layers = graph.nodes
    .filter(({ op }) => op.name === conv2d.name)
    .map((node) => layerOf(node, filterGradients.get(`${node.name}/dFilter`)));
  return { graph, layers };
}

/** A plan that computes `values`, to be read by their names. */
export function planOf(graph: Graph, values: Iterable<Value>, variables: Variables): Plan {
  // Running statistics must not move twice in a step.
  const reading = graph.nodes.filter(({ op }) => op.mutates === undefined);
  graph.nodes.splice(0, graph.nodes.length, ...reading);
  for (const value of values) graph.outputs.set(value.name, value);
  return new Plan(graph, variables);
}

export async function runOn(plan: Plan, { images, labels, step, targets }: ObservedBatch): Promise<void> {
  plan.tensor('images').set(images);
  plan.tensor('labels').set(labels);
  plan.tensor('step')[0] = step;
  if (targets !== undefined) plan.tensor('targets').set(targets);
  plan.run();
  await plan.read();
}

function layerOf(node: Node, filterGradient: Node | undefined): ObservedLayer {
  const [input, filter] = node.inputs as [Value, Value];
  return { name: node.name, parameter: sourceOf(filter).name, input, filter, gradient: filterGradient?.inputs[1] };
}

function sourceOf(value: Value): Value {
  let source = value;
  while (source.node?.inputs[0]) source = source.node.inputs[0];
  return source;
}
