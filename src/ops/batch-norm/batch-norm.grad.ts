import type { GradientRule } from '../../core/gradient.js';
import { SubbitError } from '../../util/errors.js';
import { type BatchNormAttributes, batchNormGradient, batchNormGradientSums, batchStatistics } from './batch-norm.js';

/** The gradient through the batch's own statistics is part of dx, so mean and variance receive none of their own. */
export const batchNormalizeGradient: GradientRule = {
  gradient({ graph, node, dOutputs: [dy], wants }) {
    const [x, mean, variance, gamma] = node.inputs;
    if (mean!.node?.op.name !== batchStatistics.name || mean!.node.inputs[0] !== x) {
      throw new SubbitError(`${node.name}: batch norm can be trained only with the statistics of its own input`);
    }
    const attributes = node.attributes as BatchNormAttributes;
    const [dGamma, dBeta] = graph.add(batchNormGradientSums, `${node.name}/sums`, [x, dy, mean, variance], attributes);
    const dx = wants(0)
      ? graph.apply(batchNormGradient, `${node.name}/dx`, [x, dy, mean, variance, gamma, dGamma, dBeta], attributes)
      : undefined;
    return [dx, undefined, undefined, dGamma, dBeta];
  },
};
