/**
 * Finds float convolutions whose outputs go through bias, windows and clip straight into levels, and whose gradient serves
 * nothing but filter and bias: first layers. They need no tensor of the convolution's size (ops/routed-conv2d).
 */
import type { Node } from '../core/graph.js';
import { conv2d, conv2dFilterGradient } from '../ops/conv2d/conv2d.js';
import { addBias } from '../ops/elementwise/elementwise.js';
import type { NormalizeUnit } from './normalize-units.js';
import type { Rewrite } from './rewrite.js';

export interface RoutedLayer {
  readonly unit: NormalizeUnit;
  readonly conv: Node;
  /** conv2d-filter-gradient; absent in graphs that do not train. */
  readonly filterGradient?: Node;
}

/** The layer that a unit ends; undefined where the unit follows something else. */
export function routedLayerOf(rewrite: Rewrite, unit: NormalizeUnit): RoutedLayer | undefined {
  const conv = unit.x.node;
  const [mean, , , beta] = unit.perChannel;
  if (conv?.op !== conv2d || mean !== undefined || beta === undefined || unit.attributes.kind !== 'clip')
    return undefined;
  const [, filter, xScale] = conv.inputs;
  const { groups = 1, dilation = 1 } = conv.attributes;
  if (filter!.type.encoding !== undefined || xScale !== undefined || groups * dilation > 1) return undefined;
  const bias = unit.nodes.find((node) => node.op === addBias)!;
  if (rewrite.onlyReader(conv.outputs[0]!) !== bias) return undefined;
  const { back } = unit;
  if (back === undefined) return { unit, conv };
  if (back.sums === undefined || back.last === undefined || back.levels !== undefined) return undefined;
  const dx = back.last.outputs[0]!;
  const readers = rewrite.readersOf(dx).filter((node) => node !== back.sums);
  const [filterGradient] = readers;
  if (readers.length !== 1 || filterGradient!.op !== conv2dFilterGradient || rewrite.isOutput(dx)) return undefined;
  return { unit, conv, filterGradient: filterGradient! };
}
