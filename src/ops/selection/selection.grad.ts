/** Gradients of selection: the clipped straight-through estimator of grouping, and that of the plan through its sweeps. */
import type { GradientRule } from '../../core/gradient.js';
import { SubbitError } from '../../util/errors.js';
import { groupFiltersGradient } from './group-filters.js';
import { type SinkhornAttributes, sinkhornGradient } from './sinkhorn.js';

export const groupFiltersStraightThrough: GradientRule = {
  gradient: ({ graph, node, dOutputs: [dLevels] }) => [
    graph.apply(groupFiltersGradient, `${node.name}/dFilter`, [node.inputs[0], dLevels], {}),
  ],
};

export const addGumbelNoiseGradient: GradientRule = { gradient: ({ dOutputs: [dy] }) => [dy] };

export const sinkhornRule: GradientRule = {
  gradient({ graph, node, dOutputs: [dPlan] }) {
    if (dPlan === undefined) throw new SubbitError(`${node.name}: only the plan can be differentiated`);
    const operands = [node.inputs[0], node.outputs[1], dPlan];
    return [graph.apply(sinkhornGradient, `${node.name}/dLogits`, operands, node.attributes as SinkhornAttributes)];
  },
};
