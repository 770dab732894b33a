/** An affine function of accumulators as the op `rescale`. */
import type { Graph, Value } from '../core/graph.js';
import { multiplierOf, rescale } from '../ops/integer/rescale.js';
import type { Affine } from './affine.js';

/** Of the result. */
export interface Clamp {
  /** Real units per integer. */
  readonly step: number;
  /** Integers. */
  readonly low: number;
  readonly high: number;
}

/** Without meaning, in a walk that looks for bounds alone, factors may be larger than multipliers are; all are 0 then. */
export function rescaled(
  graph: Graph,
  name: string,
  x: Value,
  { slope, intercept }: Affine,
  { step, low, high, hasMeaning }: Clamp & { readonly hasMeaning: boolean },
): Value {
  const factors = slope.map((factor) => (hasMeaning ? multiplierOf(factor / step) : { multiplier: 0, shift: 0 }));
  const rows = {
    multiplier: factors.map(({ multiplier }) => multiplier),
    shift: factors.map(({ shift }) => shift),
    bias: intercept.map((real) => Math.round(real / step)),
  };
  const constants = Object.entries(rows).map(([part, values]) =>
    graph.constant(`${name}/${part}`, { dtype: 'i32', shape: [values.length] }, Int32Array.from(values)),
  );
  return graph.apply(rescale, name, [x, ...constants], { low, high, step });
}
