/**
 * One network on one backend: the plans that train and evaluate it over shared variables. A session knows nothing of data
 * sets, epochs or files; the trainer does.
 */
import { Plan, Variables } from '../backends/plan.js';
import type { Backend } from '../core/backend.js';
import { buildGraph, type NetworkDefinition, type NetworkGraph } from '../nn/network.js';
import { addOptimizer, type OptimizerOptions } from '../optim/optimizers.js';
import { differentiate } from '../passes/differentiate.js';
import type { ProductChoice } from '../passes/low-bit-products.js';
import { type Compute, lowered } from './compute.js';

export interface SessionOptions {
  readonly batch: number;
  readonly seed: number;
  readonly optimizer: OptimizerOptions;
  /** @default defaultCompute */
  readonly compute?: Compute;
  /** L2 coefficient of the parameters under decay. @default 0 */
  readonly weightDecay?: number;
  /** Only filters of layers whose names begin so decay. @default all */
  readonly decayed?: string;
  /** Keeps every tensor readable, for tests and diagnosis. @default false */
  readonly keepAll?: boolean;
}

/** Adds the gradients and the optimizer to a training graph. Outputs: the gradient of each parameter as 'd/NAME' when `keepAll`. */
export function addTraining(network: NetworkGraph, options: SessionOptions): void {
  const { graph, losses, scope } = network;
  const { optimizer, weightDecay = 0, decayed = '' } = options;
  const parameters = [...graph.variables.values()].filter((variable) => variable.role === 'parameter');
  const gradients = differentiate(
    graph,
    losses,
    parameters.map((variable) => variable.value),
  );
  if (options.keepAll)
    for (const [i, gradient] of gradients.entries()) graph.output(`d/${parameters[i]!.value.name}`, gradient);
  addOptimizer(graph, optimizer, parameters, gradients, {
    learningRate: graph.input('learningRate', { dtype: 'f32', shape: [1] }),
    step: scope.step,
    decayOf: ({ value, decay }) => (value.name.startsWith(decayed) ? decay * weightDecay : 0),
  });
}

export class TrainingSession {
  readonly variables: Variables;
  readonly plan: Plan;
  readonly batch: number;
  readonly #network: NetworkDefinition;
  readonly #options: SessionOptions;
  readonly #evaluation: Plan;
  /** What multiplies in a training step, product by product; empty when simulated. */
  readonly products: readonly ProductChoice[];
  /** The first call that comes after the loss: the backward pass and the update. */
  readonly #backward: number;

  constructor(backend: Backend, network: NetworkDefinition, options: SessionOptions) {
    this.variables = new Variables(backend);
    this.batch = options.batch;
    this.#network = network;
    this.#options = options;
    const training = buildGraph(network, { batch: options.batch, training: true, seed: options.seed });
    addTraining(training, options);
    const step = lowered(training.graph, backend, options.compute);
    this.products = step.products;
    this.plan = new Plan(step.graph, this.variables, { keepAll: options.keepAll ?? false });
    this.#backward = this.plan.nodes.indexOf(step.valueOf(training.losses).node!) + 1;
    const evaluation = buildGraph(network, { batch: options.batch, training: false, seed: options.seed });
    this.#evaluation = new Plan(lowered(evaluation.graph, backend, options.compute).graph, this.variables);
  }

  /**
   * One training step on a full batch; returns the mean loss before the update. `step` is the number of steps done before.
   * A loss that is not finite is returned without an update, so that the parameters can still be looked at.
   */
  step(
    images: Uint8Array,
    labels: ArrayLike<number>,
    { step, learningRate }: { readonly step: number; readonly learningRate: number },
  ): number {
    this.plan.tensor('images').set(images);
    this.plan.tensor('labels').set(labels);
    this.plan.tensor('step')[0] = step;
    this.plan.tensor('learningRate')[0] = learningRate;
    this.plan.run(0, this.#backward);
    const loss = meanOf(this.plan.tensor('losses') as Float32Array, this.batch);
    if (Number.isFinite(loss)) this.plan.run(this.#backward);
    return loss;
  }

  /** The first variable with an element that is not finite. */
  findNonFiniteVariable(): string | undefined {
    for (const { name, data } of this.variables.entries()) {
      // x - x is 0 for finite numbers alone; a sum is faster than a test of each.
      let sum = 0;
      for (let i = 0; i < data.length; i++) sum += data[i]! - data[i]!;
      if (sum !== 0) return name;
    }
    return undefined;
  }

  /** The first tensor that is not finite, variables before results, on the batch of the last step; undefined when all are. */
  findNonFinite(): string | undefined {
    const variable = this.findNonFiniteVariable();
    if (variable !== undefined) return variable;
    const forward = buildGraph(this.#network, { batch: this.batch, training: true, seed: this.#options.seed });
    const plan = new Plan(forward.graph, this.variables, { keepAll: true });
    try {
      for (const input of ['images', 'labels', 'step']) plan.tensor(input).set(this.plan.tensor(input));
      plan.run();
      return plan.nodes.flatMap((node) => node.outputs).find((value) => !plan.tensor(value.name).every(Number.isFinite))
        ?.name;
    } finally {
      plan.dispose();
    }
  }

  /** Losses and predictions of up to `batch` images, as views that the next call overwrites. */
  evaluate(images: Uint8Array, labels: ArrayLike<number>, count: number): Evaluation {
    return runEvaluation(this.#evaluation, images, labels, count);
  }

  dispose(): void {
    this.plan.dispose();
    this.#evaluation.dispose();
    this.variables.dispose();
  }
}

export interface Evaluation {
  readonly losses: Float32Array;
  readonly predictions: Int32Array;
}

/** Evaluation alone, for a trained network: `variables` must be filled before the first call. */
export class EvaluationSession {
  readonly variables: Variables;
  readonly batch: number;
  readonly plan: Plan;

  constructor(backend: Backend, network: NetworkDefinition, { batch }: { readonly batch: number }) {
    this.variables = new Variables(backend);
    this.batch = batch;
    const { graph } = buildGraph(network, { batch, training: false, seed: 0 });
    this.plan = new Plan(lowered(graph, backend).graph, this.variables);
  }

  evaluate(
    images: Uint8Array,
    labels: ArrayLike<number>,
    count: number,
  ): { losses: Float32Array; predictions: Int32Array } {
    return runEvaluation(this.plan, images, labels, count);
  }

  dispose(): void {
    this.plan.dispose();
    this.variables.dispose();
  }
}

function runEvaluation(
  plan: Plan,
  images: Uint8Array,
  labels: ArrayLike<number>,
  count: number,
): { losses: Float32Array; predictions: Int32Array } {
  plan.tensor('images').set(images);
  const target = plan.tensor('labels');
  target.set(labels);
  target.fill(-1, count);
  plan.run();
  return {
    losses: (plan.tensor('losses') as Float32Array).subarray(0, count),
    predictions: (plan.tensor('predictions') as Int32Array).subarray(0, count),
  };
}

/** In double and in order, so that it does not depend on anything but the losses. */
function meanOf(values: Float32Array, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += values[i]!;
  return sum / count;
}
