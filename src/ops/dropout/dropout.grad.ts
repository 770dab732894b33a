import type { GradientRule } from '../../core/gradient.js';
import { type DropoutAttributes, dropout } from './dropout.js';

export const dropoutGradient: GradientRule = {
  gradient: ({ graph, node, dOutputs: [dy] }) => [
    graph.apply(dropout, `${node.name}/dx`, [dy, node.inputs[1]], node.attributes as DropoutAttributes),
  ],
};
