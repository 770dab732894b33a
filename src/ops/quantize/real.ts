import type { Graph, Value } from '../../core/graph.js';
import { dequantize } from './activations.js';

/** The real numbers that a value stands for: itself, or a dequantize node. */
export function realOf(graph: Graph, value: Value): Value {
  return value.type.encoding === undefined
    ? value
    : graph.apply(dequantize, `${value.name}/real`, [value, value.scale], {});
}
