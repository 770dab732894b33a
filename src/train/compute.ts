/**
 * How quantized products are computed: on integer operands with low-bit kernels, or simulated in floats. Both give the same
 * numbers, but for the order of sums over the batch; so a run keeps the one that it began with.
 */
import type { Backend } from '../core/backend.js';
import type { Graph } from '../core/graph.js';
import { type LoweredTraining, lowerTraining } from '../passes/lower-training.js';
import { lookUp } from '../util/nearest.js';

export const computes = { 'low-bit': 'low-bit', simulated: 'simulated' } as const;
export type Compute = keyof typeof computes;

/** The reference backend runs the graph as it was built; every other one is faster with low-bit kernels. */
export function defaultCompute(backend: Backend): Compute {
  return backend.isa === 'typescript' ? 'simulated' : 'low-bit';
}

/** The graph that runs: the one that was built when simulated. */
export function lowered(graph: Graph, backend: Backend, compute: Compute = defaultCompute(backend)): LoweredTraining {
  return lookUp(computes, compute, 'way to compute') === 'low-bit'
    ? lowerTraining(graph, { isa: backend.isa })
    : { graph, products: [], valueOf: (value) => value };
}
