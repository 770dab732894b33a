import type { GradientRule } from '../../core/gradient.js';
import { averagePoolGradient } from './average-pool.js';
import { maxPoolGradient, type PoolAttributes } from './pool.js';

export const maxPoolRule: GradientRule = {
  gradient({ graph, node, dOutputs: [dy] }) {
    const [, height, width] = node.inputs[0]!.type.shape as [number, number, number];
    const attributes = { ...(node.attributes as PoolAttributes), height, width };
    return [graph.apply(maxPoolGradient, `${node.name}/dx`, [dy, node.outputs[1]], attributes)];
  },
};

export const averagePoolRule: GradientRule = {
  gradient({ graph, node, dOutputs: [dy] }) {
    const [, height, width] = node.inputs[0]!.type.shape as [number, number, number];
    const attributes = { ...(node.attributes as PoolAttributes), height, width };
    return [graph.apply(averagePoolGradient, `${node.name}/dx`, [dy], attributes)];
  },
};
