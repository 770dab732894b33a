/**
 * Reverse-mode differentiation on the graph: adds the nodes that compute the gradients of a loss.
 *
 * Nodes are visited from the last to the first; only those on a path from a wanted value to the loss take part, so that
 * nothing is computed for the images. Where a value is used several times its gradients are added.
 */
import type { Graph, Node, Value } from '../core/graph.js';
import { sizeOf } from '../core/tensor.js';
import { add, fill } from '../ops/elementwise/elementwise.js';
import { gradients } from '../ops/gradients.js';
import { realOf } from '../ops/quantize/real.js';
import { SubbitError } from '../util/errors.js';

/**
 * Gradients of the mean of `losses` with respect to each of `wanted`, in their order. A wanted value that the losses do not
 * depend on, or only through an op without a gradient, is an error that names it.
 */
export function differentiate(graph: Graph, losses: Value, wanted: readonly Value[]): Value[] {
  const nodes = [...graph.nodes];
  const dependent = dependentOn(nodes, wanted);
  const found = new Map<Value, Value>();
  const accumulate = (value: Value, gradient: Value): void => {
    const before = found.get(value);
    found.set(
      value,
      before === undefined
        ? gradient
        : graph.apply(add, `${value.name}/d`, [realOf(graph, before), realOf(graph, gradient)], {}),
    );
  };
  const shape = losses.type.shape;
  accumulate(losses, graph.apply(fill, `${losses.name}/d`, [], { shape, value: Math.fround(1 / sizeOf(shape)) }));

  for (const node of nodes.reverse()) {
    const dOutputs = node.outputs.map((value) => found.get(value));
    if (dOutputs.every((value) => value === undefined) || !node.inputs.some((value) => value && dependent.has(value)))
      continue;
    const rule = Object.hasOwn(gradients, node.op.name) ? gradients[node.op.name] : undefined;
    if (rule === undefined) throw new SubbitError(`${node.name}: the op ${node.op.name} has no gradient`);
    const accepted = rule.acceptsQuantized ? dOutputs : dOutputs.map((value) => value && realOf(graph, value));
    const wants = (input: number): boolean => {
      const value = node.inputs[input];
      return value !== undefined && dependent.has(value);
    };
    const dInputs = rule.gradient({ graph, node, dOutputs: accepted, wants });
    for (const [i, gradient] of dInputs.entries()) {
      if (gradient !== undefined && wants(i)) accumulate(node.inputs[i]!, gradient);
    }
  }

  return wanted.map((value) => {
    const gradient = found.get(value);
    if (gradient === undefined)
      throw new SubbitError(`the loss does not depend on ${value.name}; remove it from the network`);
    return realOf(graph, gradient);
  });
}

/** All values that depend on one of `sources`, themselves included. */
function dependentOn(nodes: readonly Node[], sources: readonly Value[]): ReadonlySet<Value> {
  const dependent = new Set<Value>(sources);
  for (const node of nodes) {
    if (node.inputs.some((value) => value && dependent.has(value)))
      for (const value of node.outputs) dependent.add(value);
  }
  return dependent;
}
