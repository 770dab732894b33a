/** Batch normalisation: the batch's statistics in training (and their running average kept), the running ones otherwise. */
import { sizeOf } from '../../core/tensor.js';
import { batchNormalize, batchStatistics, updateRunningStatistics } from '../../ops/batch-norm/batch-norm.js';
import { type Layer, ones, zeros } from '../scope.js';

export interface BatchNormOptions {
  /** @default 1e-5 */
  readonly epsilon?: number;
  /** Share of the running statistics that stays at each step. @default 0.9 */
  readonly kept?: number;
}

/** Parameters NAME/gamma, NAME/beta; state NAME/mean, NAME/variance. */
export function batchNorm(name: string, options: BatchNormOptions = {}): Layer {
  const { epsilon = 1e-5, kept = 0.9 } = options;
  return (scope, x) => {
    const { graph } = scope;
    const channels = x.type.shape[3]!;
    const gamma = scope.parameter(`${name}/gamma`, [channels], ones);
    const beta = scope.parameter(`${name}/beta`, [channels], zeros);
    const runningMean = scope.state(`${name}/mean`, [channels], zeros);
    const runningVariance = scope.state(`${name}/variance`, [channels], ones);
    if (!scope.training)
      return graph.apply(batchNormalize, name, [x, runningMean, runningVariance, gamma, beta], { epsilon });
    const [mean, variance] = graph.add(batchStatistics, `${name}/statistics`, [x], {});
    graph.add(updateRunningStatistics, `${name}/running`, [runningMean, runningVariance, mean, variance], {
      kept,
      rows: sizeOf(x.type.shape) / channels,
    });
    return graph.apply(batchNormalize, name, [x, mean, variance, gamma, beta], { epsilon });
  };
}
