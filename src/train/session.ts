/**
 * One network on one backend: the plans that train and evaluate it over shared variables. A session knows nothing of data
 * sets, epochs or files; the trainer does.
 */
import { Plan, Variables } from '../backends/plan.js';
import type { Backend } from '../core/backend.js';
import type { Node, Variable } from '../core/graph.js';
import { filtersByCodebook } from '../nn/codebook-filters.js';
import { buildGraph, type NetworkDefinition, type NetworkGraph } from '../nn/network.js';
import { isCodewords, servedBy } from '../nn/selection.js';
import { addOptimizer, type OptimizerOptions } from '../optim/optimizers.js';
import { defaultRenewals } from '../optim/renewals.js';
import { differentiate } from '../passes/differentiate.js';
import type { ProductChoice } from '../passes/low-bit-products.js';
import { renewalNodes } from '../passes/renewal-nodes.js';
import { UsageError } from '../util/errors.js';
import { type Compute, lowered } from './compute.js';
import { renewNearest } from './renew-nearest.js';

export interface SessionOptions {
  readonly batch: number;
  readonly seed: number;
  readonly optimizer: OptimizerOptions;
  /** @default defaultCompute */
  readonly compute?: Compute;
  /** L2 coefficient of the filters. @default 0 */
  readonly weightDecay?: number;
  /** By what a layer's name begins with, in place of `weightDecay`; the longest that fits counts. */
  readonly decayOf?: Readonly<Record<string, number>>;
  /** Share of the uniform distribution in the targets of a training step. @default 0 */
  readonly labelSmoothing?: number;
  /** Whether steps have targets in place of labels. @default false */
  readonly distilled?: boolean;
  /** Keeps every tensor readable, for tests and diagnosis. @default false */
  readonly keepAll?: boolean;
}

/**
 * What steps logits and patterns: their gradients differ in size by orders of magnitude from layer to layer, which Adam takes away.
 * Those that are next to nothing must not be made as large as the others, hence the epsilon.
 */
const selectionOptimizer: OptimizerOptions = { name: 'adam', epsilon: 1e-6 };

/**
 * Adds the gradients and the optimizer to a training graph. Outputs: the gradient of each parameter as 'd/NAME' when `keepAll`. Throws a
 * UsageError when `decayOf` names layers that the network does not have.
 */
export function addTraining(network: NetworkGraph, options: SessionOptions): void {
  const { graph, losses, scope } = network;
  const { optimizer, weightDecay = 0, decayOf = {} } = options;
  const ofRole = (wanted: Variable['role']) => [...graph.variables.values()].filter(({ role }) => role === wanted);
  const parameters = ofRole('parameter');
  const selected = ofRole('selection');
  const gradients = differentiate(
    graph,
    losses,
    [...parameters, ...selected].map((variable) => variable.value),
  );
  if (options.keepAll)
    for (const [i, { value }] of [...parameters, ...selected].entries()) graph.output(`d/${value.name}`, gradients[i]!);
  addOptimizer(graph, optimizer, parameters, gradients.slice(0, parameters.length), {
    learningRate: graph.input('learningRate', { dtype: 'f32', shape: [1] }),
    step: scope.step,
    decayOf: decays(parameters, weightDecay, decayOf),
  });
  if (selected.length === 0) return;
  addOptimizer(graph, selectionOptimizer, selected, gradients.slice(parameters.length), {
    learningRate: graph.input('selectionRate', { dtype: 'f32', shape: [1] }),
    step: graph.input('renewals', { dtype: 'i32', shape: [1] }),
    decayOf: () => 0,
  });
}

/** The L2 coefficient of each parameter. Throws a UsageError for a beginning that no filter's name has. */
function decays(
  parameters: readonly Variable[],
  weightDecay: number,
  own: Readonly<Record<string, number>>,
): (parameter: Variable) => number {
  const filters = parameters.filter(({ decay }) => decay > 0).map(({ value }) => value.name);
  for (const beginning of Object.keys(own)) {
    if (filters.some((name) => name.startsWith(beginning))) continue;
    throw new UsageError(`weight decay: no layer's name begins with '${beginning}' (filters: ${filters.join(', ')})`);
  }
  const longestFirst = Object.entries(own).sort(([a], [b]) => b.length - a.length);
  return ({ value, decay }) =>
    decay * (longestFirst.find(([beginning]) => value.name.startsWith(beginning))?.[1] ?? weightDecay);
}

/** A renewal of the selection of codewords. */
export interface Renewal {
  /** Renewals before this one. */
  readonly index: number;
  /** Of logits or patterns, where there are any. @default 0.1 */
  readonly learningRate?: number | undefined;
}

/** Calls `first` .. `end` - 1 of a plan. */
type Range = readonly [first: number, end: number];

/** The ranges of calls from `first` to `end` whose nodes are wanted. */
function rangesOf(nodes: readonly Node[], [first, end]: Range, isWanted: (node: Node) => boolean): Range[] {
  const ranges: [number, number][] = [];
  for (let i = first; i < end; i++) {
    if (!isWanted(nodes[i]!)) continue;
    const last = ranges.at(-1);
    if (last?.[1] === i) last[1]++;
    else ranges.push([i, i + 1]);
  }
  return ranges;
}

export interface StepOptions {
  /** Steps done before. */
  readonly step: number;
  readonly learningRate: number;
  /** Only for networks with a selection that is trained. */
  readonly renewal?: Renewal | undefined;
  /** Only for `distilled` sessions: a distribution over the classes for each image, [batch, classes]. */
  readonly targets?: Float32Array | undefined;
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
  /** Up to the loss, and what comes after it (the backward pass and the update), without what only renewals need. */
  readonly #forward: readonly Range[];
  readonly #backward: readonly Range[];
  /** The same with everything, for steps that renew the selection. */
  readonly #whole: { readonly forward: Range; readonly backward: Range };
  /** For a selection by exchanges, filters by what serves them. */
  readonly #served: ReadonlyMap<string, readonly string[]> | undefined;
  /** Nodes that run only in steps that renew the selection of codewords. */
  readonly renewing: ReadonlySet<Node>;

  constructor(backend: Backend, network: NetworkDefinition, options: SessionOptions) {
    this.variables = new Variables(backend);
    const { batch, seed, distilled = false, labelSmoothing = 0 } = options;
    this.batch = batch;
    this.#network = network;
    this.#options = options;
    const training = buildGraph(network, { batch, training: true, seed, distilled, labelSmoothing });
    addTraining(training, options);
    this.#served = training.scope.selection?.method === 'nearest' ? filtersByCodebook(training.graph) : undefined;
    const step = lowered(training.graph, backend, options.compute);
    this.products = step.products;
    this.plan = new Plan(step.graph, this.variables, { keepAll: options.keepAll ?? false });
    const { nodes } = this.plan;
    const middle = nodes.indexOf(step.valueOf(training.losses).node!) + 1;
    this.#whole = { forward: [0, middle], backward: [middle, nodes.length] };
    this.renewing = renewalNodes(step.graph);
    const isOrdinary = (node: Node): boolean => !this.renewing.has(node);
    this.#forward = rangesOf(nodes, this.#whole.forward, isOrdinary);
    this.#backward = rangesOf(nodes, this.#whole.backward, isOrdinary);
    const evaluation = buildGraph(network, { batch, training: false, seed });
    this.#evaluation = new Plan(lowered(evaluation.graph, backend, options.compute).graph, this.variables);
  }

  /**
   * One training step on a full batch; returns the mean loss before the update. `step` is the number of steps done before. With
   * `renewal` it chooses codewords anew, before the forward pass, and afterwards steps what they are chosen by.
   * A loss that is not finite is returned without an update, so that the parameters can still be looked at; only not where the loss is in
   * memory of a device, which gets the whole step at once.
   */
  async step(
    images: Uint8Array,
    labels: ArrayLike<number>,
    { step, learningRate, renewal, targets }: StepOptions,
  ): Promise<number> {
    this.plan.tensor('images').set(images);
    this.plan.tensor('labels').set(labels);
    this.plan.tensor('step')[0] = step;
    this.plan.tensor('learningRate')[0] = learningRate;
    if (targets !== undefined) this.plan.tensor('targets').set(targets);
    if (renewal !== undefined) await this.#beginRenewal(renewal);
    const [forward, backward] = renewal
      ? [[this.#whole.forward], [this.#whole.backward]]
      : [this.#forward, this.#backward];
    const isRemote = this.plan.backend.read !== undefined;
    this.#run(isRemote ? [...forward, ...backward] : forward);
    await this.plan.read(['losses']);
    const loss = meanOf(this.plan.tensor('losses') as Float32Array, this.batch);
    if (!isRemote && Number.isFinite(loss)) this.#run(backward);
    return loss;
  }

  /** What the graph needs for a renewal; of the selection that is none of the graph's, the renewal itself. */
  async #beginRenewal({ index, learningRate = defaultRenewals.learningRate }: Renewal): Promise<void> {
    if (this.#served === undefined) {
      this.plan.tensor('selectionRate')[0] = learningRate;
      this.plan.tensor('renewals')[0] = index;
      return;
    }
    await this.variables.read();
    renewNearest(new Map([...this.variables.entries()].map((each) => [each.name, each])), this.#served);
    this.variables.write();
  }

  #run(ranges: readonly Range[]): void {
    for (const [first, end] of ranges) this.plan.run(first, end);
  }

  /** The sub-codebooks as they are: ids by what they serve. */
  async codewords(): Promise<Record<string, readonly number[]>> {
    await this.variables.read();
    const codebooks = [...this.variables.entries()].filter(({ name }) => isCodewords(name));
    return Object.fromEntries(codebooks.map(({ name, data }) => [servedBy(name), Array.from(data)]));
  }

  /** The first variable with an element that is not finite. */
  async findNonFiniteVariable(): Promise<string | undefined> {
    await this.variables.read();
    for (const { name, data } of this.variables.entries()) {
      // x - x is 0 for finite numbers alone; a sum is faster than a test of each.
      let sum = 0;
      for (let i = 0; i < data.length; i++) sum += data[i]! - data[i]!;
      if (sum !== 0) return name;
    }
    return undefined;
  }

  /** The first tensor that is not finite, variables before results, on the batch of the last step; undefined when all are. */
  async findNonFinite(): Promise<string | undefined> {
    const variable = await this.findNonFiniteVariable();
    if (variable !== undefined) return variable;
    const forward = buildGraph(this.#network, { batch: this.batch, training: true, seed: this.#options.seed });
    const plan = new Plan(forward.graph, this.variables, { keepAll: true });
    try {
      for (const input of ['images', 'labels', 'step']) plan.tensor(input).set(this.plan.tensor(input));
      plan.run();
      await plan.read();
      return plan.nodes.flatMap((node) => node.outputs).find((value) => !plan.tensor(value.name).every(Number.isFinite))
        ?.name;
    } finally {
      plan.dispose();
    }
  }

  /** Losses and predictions of up to `batch` images, as views that the next call overwrites. */
  evaluate(images: Uint8Array, labels: ArrayLike<number>, count: number): Promise<Evaluation> {
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

  evaluate(images: Uint8Array, labels: ArrayLike<number>, count: number): Promise<Evaluation> {
    return runEvaluation(this.plan, images, labels, count);
  }

  dispose(): void {
    this.plan.dispose();
    this.variables.dispose();
  }
}

async function runEvaluation(
  plan: Plan,
  images: Uint8Array,
  labels: ArrayLike<number>,
  count: number,
): Promise<Evaluation> {
  plan.tensor('images').set(images);
  const target = plan.tensor('labels');
  target.set(labels);
  target.fill(-1, count);
  plan.run();
  await plan.read();
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
