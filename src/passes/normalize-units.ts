/**
 * Finds what lies between two products of a training graph, so that it can become one pass forward and two back
 * (ops/normalize-quantize):
 *
 *     forward    x -> [batch-normalize | add-bias] -> [max-pool] -> activate -> quantize-unit
 *     back       dLevels -> activate-gradient -> [max-pool-gradient] -> [sums ->] [batch-norm-gradient] -> dx
 *                                                                   [-> max-abs-per-sample, quantize-gradient]
 *
 * A unit is found only where nothing else reads what is between its ends: then none of it needs to exist.
 */
import type { Node, Value } from '../core/graph.js';
import { activate, activateGradient } from '../ops/activation/activation.js';
import { batchNormalize, batchNormGradient, batchNormGradientSums } from '../ops/batch-norm/batch-norm.js';
import { addBias, sumRows } from '../ops/elementwise/elementwise.js';
import type { NormalizeAttributes } from '../ops/normalize-quantize/normalize-quantize.js';
import { maxPool, maxPoolGradient } from '../ops/pool/pool.js';
import { quantizeUnit } from '../ops/quantize/activations.js';
import { maxAbsPerSample, quantizeBackward, quantizeGradient } from '../ops/quantize/gradients.js';
import type { Rewrite } from './rewrite.js';

export interface NormalizeUnit {
  readonly x: Value;
  /** mean, variance, gamma, beta; absent ones undefined. */
  readonly perChannel: readonly (Value | undefined)[];
  readonly attributes: NormalizeAttributes;
  /** quantize-unit: the last node of the way forward. */
  readonly quantize: Node;
  /** Absent in graphs that do not train. */
  readonly back?: UnitGradient;
  /** All nodes that the unit stands for. */
  readonly nodes: readonly Node[];
}

export interface UnitGradient {
  /** The gradient of the levels. */
  readonly dy: Value;
  /** batch-norm-gradient-sums, or sum-rows for a bias. */
  readonly sums?: Node;
  /** The last node that computes dx, when anybody wants it. */
  readonly last?: Node;
  /** quantize-gradient, when dx is wanted in levels alone; then it is `last`. */
  readonly levels?: Node;
}

/** All units of a graph. */
export function findUnits(rewrite: Rewrite): NormalizeUnit[] {
  return rewrite.nodes
    .filter((node) => node.op === quantizeUnit)
    .map((node) => unitOf(rewrite, node))
    .filter((unit) => unit !== undefined);
}

/** The value behind markers that do nothing going forward. */
export function behindMarkers(value: Value): Value {
  let at = value;
  while (at.node?.op === quantizeBackward) at = at.node.inputs[0]!;
  return at;
}

/** Reads the graph around one activation. Names: z is what the activation takes, v what was before a maximum. */
class Surroundings {
  readonly #rewrite: Rewrite;

  constructor(rewrite: Rewrite) {
    this.#rewrite = rewrite;
  }

  /** The one reader of a value that has this op. */
  reader(value: Value | undefined, op: Node['op']): Node | undefined {
    return value && this.#rewrite.readersOf(value).find((node) => node.op === op);
  }

  /** Whether the value is an output of the graph or has readers besides these. */
  isReadElsewhere(value: Value, readers: readonly (Node | undefined)[]): boolean {
    return this.#rewrite.isOutput(value) || this.#rewrite.readersOf(value).some((node) => !readers.includes(node));
  }
}

function unitOf(rewrite: Rewrite, quantize: Node): NormalizeUnit | undefined {
  const around = new Surroundings(rewrite);
  const activation = quantize.inputs[0]!.node;
  if (activation?.op !== activate || activation.attributes.kind === 'relu') return undefined;
  if (around.isReadElsewhere(activation.outputs[0]!, [quantize])) return undefined;

  const z = activation.inputs[0]!;
  // Which slope belongs to which of several activations of one value could not be told.
  if (rewrite.readersOf(z).filter((node) => node.op === activate).length > 1) return undefined;
  const slope = around.reader(z, activateGradient);
  const pool = poolOf(z);
  const v = pool === undefined ? z : pool.inputs[0]!;
  const unpool = pool && around.reader(pool.outputs[1], maxPoolGradient);
  if (pool && around.isReadElsewhere(z, [activation, slope])) return undefined;
  if (pool && around.isReadElsewhere(pool.outputs[1]!, [unpool])) return undefined;
  const isPlain = v.node === undefined || !(v.node.op === batchNormalize || v.node.op === addBias);
  const affine = isPlain || around.isReadElsewhere(v, pool ? [pool] : [activation, slope]) ? undefined : v.node;
  const x = behindMarkers(affine === undefined ? v : affine.inputs[0]!);
  const perChannel = affine === undefined ? [] : affine.inputs.slice(1);

  const common = {
    x,
    perChannel: perChannel.length === 1 ? [undefined, undefined, undefined, perChannel[0]] : perChannel,
    attributes: {
      epsilon: affine?.attributes.epsilon ?? 0,
      kind: activation.attributes.kind,
      ...(pool === undefined ? {} : { pool: pool.attributes }),
    },
    quantize,
  };
  const forward = [affine, pool, activation, quantize];
  if (slope === undefined) return { ...common, nodes: present(forward) };
  const back = gradientOf(around, { affine, pool, slope, unpool });
  return back && { ...common, back: back.gradient, nodes: present([...forward, ...back.nodes]) };
}

const present = (nodes: readonly (Node | undefined)[]): Node[] => nodes.filter((node) => node !== undefined);

/** A maximum over windows that do not overlap, right before the activation. */
function poolOf(z: Value): Node | undefined {
  const node = z.node;
  return node?.op === maxPool && node.attributes.stride >= node.attributes.size ? node : undefined;
}

interface WayBack {
  readonly affine: Node | undefined;
  readonly pool: Node | undefined;
  readonly slope: Node;
  readonly unpool: Node | undefined;
}

function gradientOf(
  around: Surroundings,
  { affine, pool, slope, unpool }: WayBack,
): { gradient: UnitGradient; nodes: readonly (Node | undefined)[] } | undefined {
  if (pool && (unpool === undefined || around.isReadElsewhere(slope.outputs[0]!, [unpool]))) return undefined;
  const inner = unpool ?? slope;
  const dz = inner.outputs[0]!;
  const dy = slope.inputs[1]!;
  let last: Node | undefined = inner;
  let sums: Node | undefined;
  if (affine?.op === batchNormalize) {
    sums = around.reader(dz, batchNormGradientSums);
    last = around.reader(dz, batchNormGradient);
    if (sums === undefined || around.isReadElsewhere(dz, [sums, last])) return undefined;
  } else if (affine?.op === addBias) {
    sums = around.reader(dz, sumRows);
  }
  const dx = last?.outputs[0];
  const largest = around.reader(dx, maxAbsPerSample);
  const levels = around.reader(dx, quantizeGradient);
  const isLevelsOnly =
    dx !== undefined &&
    largest !== undefined &&
    levels !== undefined &&
    !around.isReadElsewhere(dx, [largest, levels, sums]);
  const optional = { ...(sums === undefined ? {} : { sums }), ...(last === undefined ? {} : { last }) };
  const nodes = [slope, unpool, sums, last];
  if (!isLevelsOnly) return { gradient: { dy, ...optional }, nodes };
  return { gradient: { dy, ...optional, last: levels, levels }, nodes: [...nodes, largest, levels] };
}
