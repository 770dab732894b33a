/**
 * Histograms of what a training step multiplies, layer by layer, as in DoReFa-Net's figures of weights, activations and gradients:
 *
 *     parameters     the float numbers behind the filter
 *     weights        the filter that the product takes: for one bit two spikes, whose distance is the scale
 *     activations    the input: a spike per level
 *     gradients      of the output, noise and quantizer included: a sharp peak at 0 with long tails
 *
 * All of one batch, on the parameters before the step, as real numbers (see observation.ts).
 */
import type { Plan, Variables } from '../backends/plan.js';
import type { Value } from '../core/graph.js';
import type { NetworkDefinition } from '../nn/network.js';
import { realOf } from '../ops/quantize/real.js';
import { type ObservationOptions, type ObservedBatch, observe, planOf, runOn } from './observation.js';

/** Of the finite numbers; all 0, and no counts, where there are none. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Standard deviation. */
  readonly deviation: number;
  /** In intervals of equal width from `min` to `max`. */
  readonly counts: readonly number[];
}

/** What does not apply is null: weights that are the parameters, the image bytes of a first layer. */
export interface LayerHistograms {
  readonly name: string;
  readonly parameters: Histogram;
  readonly weights: Histogram | null;
  readonly activations: Histogram | null;
  readonly gradients: Histogram | null;
}

export const histogramTensors = ['parameters', 'weights', 'activations', 'gradients'] as const;

/** Odd, so that a distribution about 0 has an interval about 0, and more than the levels of 5 bits. */
const intervals = 41;
const mostIntervals = 1024;

export function histogramOf(values: ArrayLike<number>): Histogram {
  let [min, max, count, sum, squares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
    count++;
    sum += value;
    squares += value * value;
  }
  if (count === 0) return { min: 0, max: 0, mean: 0, deviation: 0, counts: [] };
  const counts = new Array<number>(intervals).fill(0);
  const perUnit = max > min ? intervals / (max - min) : 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    // A division may round the largest one into an interval of its own.
    if (Number.isFinite(value)) counts[Math.min(intervals - 1, Math.floor((value - min) * perUnit))]!++;
  }
  const mean = sum / count;
  return { min, max, mean, deviation: Math.sqrt(Math.max(0, squares / count - mean * mean)), counts };
}

/** Whether a value from a file is a list of histograms of layers. */
export function isHistograms(layers: unknown): boolean {
  return Array.isArray(layers) && layers.every(isLayer);
}

function isLayer(value: unknown): boolean {
  const { name, parameters, ...others } = Object(value) as Partial<LayerHistograms>;
  const optional = [others.weights, others.activations, others.gradients];
  return (
    typeof name === 'string' && isHistogram(parameters) && optional.every((one) => one === null || isHistogram(one))
  );
}

function isHistogram(value: unknown): boolean {
  const { min, max, mean, deviation, counts } = Object(value) as Partial<Histogram>;
  const isCount = (count: unknown): boolean => Number.isSafeInteger(count) && (count as number) >= 0;
  return (
    [min, max, mean, deviation].every(Number.isFinite) &&
    Array.isArray(counts) &&
    counts.length <= mostIntervals &&
    counts.every(isCount)
  );
}

interface Layer {
  readonly name: string;
  readonly parameter: string;
  readonly weights: Value | null;
  readonly activations: Value | null;
  readonly gradients: Value | null;
}

export class Histograms {
  readonly #variables: Variables;
  readonly #layers: readonly Layer[];
  readonly #plan: Plan;

  constructor(variables: Variables, network: NetworkDefinition, options: ObservationOptions) {
    this.#variables = variables;
    const { graph, layers } = observe(network, options);
    this.#layers = layers.map(
      ({ name, parameter, filter, input, gradient }): Layer => ({
        ...{ name, parameter },
        weights: filter.name === parameter ? null : realOf(graph, filter),
        activations: input.node ? realOf(graph, input) : null,
        gradients: gradient ? realOf(graph, gradient) : null,
      }),
    );
    const values = this.#layers.flatMap(({ weights, activations, gradients }) => [weights, activations, gradients]);
    this.#plan = planOf(
      graph,
      values.filter((value) => value !== null),
      variables,
    );
  }

  /** Measures the batch on the parameters as they are. */
  async measure(batch: ObservedBatch): Promise<LayerHistograms[]> {
    await runOn(this.#plan, batch);
    await this.#variables.read();
    const of = (value: Value | null): Histogram | null => value && histogramOf(this.#plan.tensor(value.name));
    return this.#layers.map(({ name, parameter, weights, activations, gradients }) => ({
      name,
      parameters: histogramOf(this.#variables.get(parameter)!),
      weights: of(weights),
      activations: of(activations),
      gradients: of(gradients),
    }));
  }

  dispose(): void {
    this.#plan.dispose();
  }
}
