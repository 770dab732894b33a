/**
 * The ceilings that `bench` prints beside its kernels: multiply-accumulates per second of one thread on the backend's instruction
 * set, when nothing but the instructions of the products limits it. Measured in the run that they are compared with.
 */

import { Plan, Variables } from '../../backends/plan.js';
import type { Backend } from '../../core/backend.js';
import { Graph } from '../../core/graph.js';
import { type CeilingKind, macsPerIteration, measureCeiling } from '../../ops/measure-ceiling/measure-ceiling.js';
import { timeInterleaved } from './timing.js';

/** 10^9 multiply-accumulates per second, of one thread. */
export interface Ceilings {
  readonly fp32Gmacs: number;
  readonly int8Gmacs: number;
  readonly bitGmacs: number;
}

/** A fraction of a millisecond on the fastest machines, and milliseconds on the slowest. */
const iterations = 2 ** 14;

/** The best of several repetitions: a ceiling is what can be reached. Null where there are no C++ kernels. */
export async function measureCeilings(backend: Backend): Promise<Ceilings | null> {
  if (backend.name === 'reference' || backend.name === 'webgpu') return null;
  const variables = new Variables(backend);
  const planOf = (kind: CeilingKind): Plan => {
    const graph = new Graph();
    graph.output('macs', graph.apply(measureCeiling, kind, [], { kind, iterations }));
    return new Plan(graph, variables);
  };
  const plans = { fp32: planOf('fp32'), int8: planOf('int8'), bit: planOf('bit') };
  const times = await timeInterleaved({
    fp32: () => plans.fp32.run(),
    int8: () => plans.int8.run(),
    bit: () => plans.bit.run(),
  });
  for (const plan of Object.values(plans)) plan.dispose();
  const gmacs = (kind: CeilingKind): number => (iterations * macsPerIteration[kind]) / times[kind].min / 1e6;
  return { fp32Gmacs: gmacs('fp32'), int8Gmacs: gmacs('int8'), bitGmacs: gmacs('bit') };
}
