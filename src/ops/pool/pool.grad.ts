import type { GradientRule } from '../../core/gradient.js';
import { globalAveragePoolGradient, type MaxPoolAttributes, maxPoolGradient } from './pool.js';

export const maxPoolRule: GradientRule = {
  gradient({ graph, node, dOutputs: [dy] }) {
    const [, height, width] = node.inputs[0]!.type.shape as [number, number, number];
    const attributes = { ...(node.attributes as MaxPoolAttributes), height, width };
    return [graph.apply(maxPoolGradient, `${node.name}/dx`, [dy, node.outputs[1]], attributes)];
  },
};

export const globalAveragePoolRule: GradientRule = {
  gradient({ graph, node, dOutputs: [dy] }) {
    const [, height, width] = node.inputs[0]!.type.shape as [number, number, number];
    return [graph.apply(globalAveragePoolGradient, `${node.name}/dx`, [dy], { height, width })];
  },
};
