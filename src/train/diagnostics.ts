/**
 * Diagnostics of low-bit training: what the quantizers do to a batch, layer by layer, for people who study them.
 *
 *     gradientBias       mean of f_G(g) - g, relative to the mean of |g|: near 0 for an unbiased quantizer
 *     gradientVariance   variance of f_G(g) - g, relative to the mean of g^2: noise power per signal power
 *     saturated          share of the layer's input that no gradient goes through: h is 0 or 1; of learned scales, what lies outside
 *     signFlips          share of the layer's weights whose sign is another one than when it was last measured
 *     usedLevels         how many of the levels of weights, input and gradient occur
 *
 * They come from a plan of their own (observation.ts).
 */
import type { Plan, Variables } from '../backends/plan.js';
import type { Graph, Value } from '../core/graph.js';
import type { NetworkDefinition } from '../nn/network.js';
import { activate } from '../ops/activation/activation.js';
import { conv2d } from '../ops/conv2d/conv2d.js';
import { isInside, type QuantizeScaledAttributes, quantizeScaled } from '../ops/quantize/learned.js';
import { realOf } from '../ops/quantize/real.js';
import {
  type ObservationOptions,
  type ObservedBatch,
  type ObservedLayer,
  observe,
  planOf,
  runOn,
} from './observation.js';

/** What does not apply to a layer, because something of it is not quantized, is null. */
export interface LayerDiagnostics {
  readonly name: string;
  readonly gradientBias: number | null;
  readonly gradientVariance: number | null;
  readonly saturated: number | null;
  /** Null the first time, also after a resume: there is nothing to compare with. */
  readonly signFlips: number | null;
  readonly usedLevels: {
    readonly weights: number | null;
    readonly activations: number | null;
    readonly gradients: number | null;
  };
}

/** A convolution or dense layer with a quantized operand. */
interface Layer {
  readonly name: string;
  /** The parameter behind the filter. */
  readonly parameter: string;
  readonly weights?: Value;
  readonly input?: Value;
  readonly bound?: Bound;
  readonly gradient?: { readonly float: Value; readonly levels: Value; readonly quantized: Value };
}

/** What bounds a layer's input. */
interface Bound {
  readonly x: Value;
  /** A learned scale, in which x is measured. */
  readonly scale?: Value;
  /** Whether x / scale lets its gradient through. */
  passes(v: number): boolean;
}

export class Diagnostics {
  readonly #variables: Variables;
  readonly #layers: readonly Layer[];
  readonly #plan: Plan;
  /** Of each layer's weights when it was last measured: 1 where they are not negative. */
  readonly #signs = new Map<string, Uint8Array>();

  constructor(variables: Variables, network: NetworkDefinition, options: ObservationOptions) {
    this.#variables = variables;
    const { graph, layers } = observe(network, options);
    this.#layers = layers
      .map((layer) => quantizedPartsOf(graph, layer))
      .filter(({ weights, input, gradient }) => weights ?? input ?? gradient);
    const values = this.#layers.flatMap(({ weights, input, bound, gradient }) => [
      ...[weights, input, bound?.x, bound?.scale, gradient?.float, gradient?.levels, gradient?.quantized],
    ]);
    this.#plan = planOf(
      graph,
      values.filter((value) => value !== undefined),
      variables,
    );
  }

  /** Whether there is a quantized layer. */
  get isEmpty(): boolean {
    return this.#layers.length === 0;
  }

  /** Measures the batch on the parameters as they are. */
  async measure(batch: ObservedBatch): Promise<LayerDiagnostics[]> {
    await runOn(this.#plan, batch);
    await this.#variables.read();
    return this.#layers.map((layer) => this.#measureLayer(layer));
  }

  dispose(): void {
    this.#plan.dispose();
  }

  #measureLayer({ name, parameter, weights, input, bound, gradient }: Layer): LayerDiagnostics {
    const read = (value: Value) => this.#plan.tensor(value.name);
    const levels = (value: Value | undefined): number | null => (value ? countLevels(read(value)) : null);
    const error = gradient && errorOf(read(gradient.float), read(gradient.quantized));
    return {
      name,
      gradientBias: error?.bias ?? null,
      gradientVariance: error?.variance ?? null,
      saturated: bound ? shareSaturated(read(bound.x), bound.scale ? read(bound.scale)[0]! : 1, bound) : null,
      signFlips: this.#signFlips(name, this.#variables.get(parameter)!),
      usedLevels: { weights: levels(weights), activations: levels(input), gradients: levels(gradient?.levels) },
    };
  }

  #signFlips(name: string, weights: ArrayLike<number>): number | null {
    const before = this.#signs.get(name);
    const signs = before ?? new Uint8Array(weights.length);
    let flips = 0;
    for (let i = 0; i < signs.length; i++) {
      const sign = weights[i]! >= 0 ? 1 : 0;
      if (signs[i] !== sign) flips++;
      signs[i] = sign;
    }
    this.#signs.set(name, signs);
    return before === undefined ? null : flips / signs.length;
  }
}

function quantizedPartsOf(graph: Graph, { name, parameter, input: x, filter, gradient: levels }: ObservedLayer): Layer {
  const float = levels?.type.encoding && levels.node?.inputs[0];
  // The levels of images are no quantizer's work.
  const input = x.type.encoding && x.node ? x : undefined;
  const bound = input && boundOf(input);
  return {
    ...{ name, parameter },
    ...(filter.type.encoding ? { weights: filter } : {}),
    ...(input ? { input } : {}),
    ...(bound ? { bound } : {}),
    ...(levels && float ? { gradient: { float, levels, quantized: realOf(graph, levels) } } : {}),
  };
}

const unit: Pick<Bound, 'passes'> = { passes: (h) => h > 0 && h < 1 };

/** The bounded activation that a layer's levels come from, or their quantizer that bounds itself, through dropout and pooling. */
function boundOf(levels: Value): Bound | undefined {
  let value: Value | undefined = levels;
  while (value?.node && ![activate.name, quantizeScaled.name, conv2d.name].includes(value.node.op.name))
    value = value.node.inputs[0];
  if (!value?.node) return undefined;
  const { op, inputs, attributes } = value.node;
  if (op.name === activate.name) return attributes.kind === 'relu' ? undefined : { x: value, ...unit };
  if (op.name !== quantizeScaled.name) return undefined;
  const [x, scale] = inputs as [Value, Value];
  const range: QuantizeScaledAttributes = attributes;
  return { x, scale, passes: (v) => isInside(v, range) };
}

function countLevels(levels: ArrayLike<number>): number {
  const seen = new Uint8Array(256);
  for (let i = 0; i < levels.length; i++) seen[levels[i]!] = 1;
  return seen.reduce((sum, one) => sum + one, 0);
}

function shareSaturated(x: ArrayLike<number>, scale: number, { passes }: Pick<Bound, 'passes'>): number {
  const inverse = Math.fround(1 / scale);
  let count = 0;
  for (let i = 0; i < x.length; i++) if (!passes(Math.fround(x[i]! * inverse))) count++;
  return count / x.length;
}

/** Bias and variance of a quantizer; 0 where the gradient is 0, which quantizers keep. */
function errorOf(float: ArrayLike<number>, quantized: ArrayLike<number>): { bias: number; variance: number } {
  let sum = 0;
  let squares = 0;
  let magnitude = 0;
  let power = 0;
  for (let i = 0; i < float.length; i++) {
    const g = float[i]!;
    const error = quantized[i]! - g;
    sum += error;
    squares += error * error;
    magnitude += Math.abs(g);
    power += g * g;
  }
  if (power === 0) return { bias: 0, variance: 0 };
  return { bias: sum / magnitude, variance: (squares - (sum * sum) / float.length) / power };
}
