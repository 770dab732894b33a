import type { GradientRule } from '../../core/gradient.js';
import { rpreluGradient } from './rprelu.js';

export const rpreluRule: GradientRule = {
  gradient({ graph, node, dOutputs: [dy] }) {
    const [x, gamma, beta] = node.inputs;
    return graph.add(rpreluGradient, `${node.name}/dx`, [x, gamma, beta, dy], {});
  },
};
