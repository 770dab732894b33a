/**
 * Diagnostics of low-bit training: what the quantizers do to a batch, layer by layer, for people who study them.
 *
 *     gradientBias       mean of f_G(g) - g, relative to the mean of |g|: near 0 for an unbiased quantizer
 *     gradientVariance   variance of f_G(g) - g, relative to the mean of g^2: noise power per signal power
 *     saturated          share of the layer's input where h is 0 or 1: no gradient goes through it
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
  /** h of the input. */
  readonly bounded?: Value;
  readonly gradient?: { readonly float: Value; readonly levels: Value; readonly quantized: Value };
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
    const values = this.#layers.flatMap(({ weights, input, bounded, gradient }) => [
      ...[weights, input, bounded, gradient?.float, gradient?.levels, gradient?.quantized],
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

  #measureLayer({ name, parameter, weights, input, bounded, gradient }: Layer): LayerDiagnostics {
    const read = (value: Value) => this.#plan.tensor(value.name);
    const levels = (value: Value | undefined): number | null => (value ? countLevels(read(value)) : null);
    const error = gradient && errorOf(read(gradient.float), read(gradient.quantized));
    return {
      name,
      gradientBias: error?.bias ?? null,
      gradientVariance: error?.variance ?? null,
      saturated: bounded ? shareSaturated(read(bounded)) : null,
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
  const bounded = input && activationBehind(input);
  return {
    ...{ name, parameter },
    ...(filter.type.encoding ? { weights: filter } : {}),
    ...(input ? { input } : {}),
    ...(bounded ? { bounded } : {}),
    ...(levels && float ? { gradient: { float, levels, quantized: realOf(graph, levels) } } : {}),
  };
}

/** The bounded activation that a layer's levels come from, through dropout and pooling. */
function activationBehind(levels: Value): Value | undefined {
  let value: Value | undefined = levels;
  while (value?.node && value.node.op.name !== activate.name && value.node.op.name !== conv2d.name)
    value = value.node.inputs[0];
  return value?.node?.op.name === activate.name && value.node.attributes.kind !== 'relu' ? value : undefined;
}

function countLevels(levels: ArrayLike<number>): number {
  const seen = new Uint8Array(256);
  for (let i = 0; i < levels.length; i++) seen[levels[i]!] = 1;
  return seen.reduce((sum, one) => sum + one, 0);
}

function shareSaturated(h: ArrayLike<number>): number {
  let count = 0;
  for (let i = 0; i < h.length; i++) if (h[i]! <= 0 || h[i]! >= 1) count++;
  return count / h.length;
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
