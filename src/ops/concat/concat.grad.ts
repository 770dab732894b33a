import type { GradientRule } from '../../core/gradient.js';
import { channelsOf } from '../elementwise/elementwise.js';
import { concatGradient } from './concat.js';

export const concatRule: GradientRule = {
  gradient({ graph, node, dOutputs: [dy] }) {
    const channelsA = channelsOf(node.inputs[0]!.type.shape);
    return graph.add(concatGradient, `${node.name}/dx`, [dy], { channelsA });
  },
};
