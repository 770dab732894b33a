import type { GradientRule } from '../../core/gradient.js';
import { type ActivationAttributes, activateGradient } from './activation.js';

export const activationGradient: GradientRule = {
  gradient: ({ graph, node, dOutputs: [dy] }) => [
    graph.apply(activateGradient, `${node.name}/dx`, [node.inputs[0], dy], node.attributes as ActivationAttributes),
  ],
};
