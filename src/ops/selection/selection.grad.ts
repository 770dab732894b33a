/** Gradients of selection: the straight-through estimators of grouping and of the assignment, and that of the plan through its sweeps. */
import type { GradientRule } from '../../core/gradient.js';
import { sizeOf } from '../../core/tensor.js';
import { SubbitError } from '../../util/errors.js';
import { codewordGradient, planGradient } from './codeword-gradient.js';
import { type GroupFiltersAttributes, groupFiltersGradient } from './group-filters.js';
import { type SinkhornAttributes, sinkhornGradient } from './sinkhorn.js';

/** The gradient of the ids stands for that of their codewords: [n, KH * KW]. */
export const groupFiltersStraightThrough: GradientRule = {
  gradient({ graph, node, dOutputs: [dLevels], wants }) {
    const [filter, ids] = node.inputs;
    const { pull = 0 } = node.attributes as GroupFiltersAttributes;
    const operands = [dLevels, node.outputs[1], filter];
    const attributes = { codewords: sizeOf(ids!.type.shape), pull };
    return [
      wants(0) ? graph.apply(groupFiltersGradient, `${node.name}/dFilter`, [filter, dLevels], {}) : undefined,
      wants(1) ? graph.apply(codewordGradient, `${node.name}/dCodewords`, operands, attributes) : undefined,
    ];
  },
};

export const selectedCodewordsStraightThrough: GradientRule = {
  gradient({ graph, node, dOutputs: [dCodewords] }) {
    const isPatterns = dCodewords!.type.shape.join() === node.inputs[1]!.type.shape.join();
    return [undefined, isPatterns ? dCodewords : graph.apply(planGradient, `${node.name}/dPlan`, [dCodewords], {})];
  },
};

export const addGumbelNoiseGradient: GradientRule = { gradient: ({ dOutputs: [dy] }) => [dy] };

export const sinkhornRule: GradientRule = {
  gradient({ graph, node, dOutputs: [dPlan] }) {
    if (dPlan === undefined) throw new SubbitError(`${node.name}: only the plan can be differentiated`);
    const operands = [node.inputs[0], node.outputs[1], dPlan];
    return [graph.apply(sinkhornGradient, `${node.name}/dLogits`, operands, node.attributes as SinkhornAttributes)];
  },
};
