/** Optimizers: each adds its step for one parameter to the graph. A new one is a function here and a line in the list. */
import type { Graph, Value, Variable } from '../core/graph.js';
import { adamStep, sgdStep } from '../ops/optimizer/optimizer.js';

export interface OptimizerOptions {
  readonly name: keyof typeof optimizers;
  /** sgd @default 0.9 */
  readonly momentum?: number;
  /** sgd @default true */
  readonly nesterov?: boolean;
  /** adam, adamw @default 0.9 */
  readonly beta1?: number;
  /** adam, adamw @default 0.999 */
  readonly beta2?: number;
  /** adam, adamw @default 1e-8 */
  readonly epsilon?: number;
}

interface Update {
  readonly graph: Graph;
  readonly parameter: Variable;
  readonly gradient: Value;
  /** f32[1] */
  readonly learningRate: Value;
  /** i32[1], steps done before this one */
  readonly step: Value;
  /** L2 coefficient of this parameter; adamw: the share that it loses per step and unit of the learning rate. */
  readonly decay: number;
}

/** State of one parameter: named after it, of its shape, zero at first. */
function moment({ graph, parameter }: Update, name: string): Value {
  return graph.variable(`${parameter.value.name}/${name}`, parameter.value.type, { role: 'state' });
}

function addAdam(update: Update, options: OptimizerOptions, { isDecoupled }: { readonly isDecoupled: boolean }): void {
  const { graph, parameter, gradient, learningRate, step, decay } = update;
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const inputs = [parameter.value, moment(update, 'first'), moment(update, 'second'), gradient, learningRate, step];
  graph.add(adamStep, `${parameter.value.name}/step`, inputs, { beta1, beta2, epsilon, decay, isDecoupled });
}

export const optimizers = {
  sgd(update: Update, options: OptimizerOptions): void {
    const { graph, parameter, gradient, learningRate, decay } = update;
    const { momentum = 0.9, nesterov = true } = options;
    const inputs = [parameter.value, moment(update, 'velocity'), gradient, learningRate];
    graph.add(sgdStep, `${parameter.value.name}/step`, inputs, { momentum, nesterov, decay });
  },
  adam: (update: Update, options: OptimizerOptions): void => addAdam(update, options, { isDecoupled: false }),
  adamw: (update: Update, options: OptimizerOptions): void => addAdam(update, options, { isDecoupled: true }),
};

/** Adds the step of every parameter. `gradients[i]` belongs to `parameters[i]`. */
export function addOptimizer(
  graph: Graph,
  options: OptimizerOptions,
  parameters: readonly Variable[],
  gradients: readonly Value[],
  shared: { readonly learningRate: Value; readonly step: Value; readonly decayOf: (parameter: Variable) => number },
): void {
  for (const [i, parameter] of parameters.entries()) {
    const { learningRate, step, decayOf } = shared;
    optimizers[options.name](
      { graph, parameter, gradient: gradients[i]!, learningRate, step, decay: decayOf(parameter) },
      options,
    );
  }
}
