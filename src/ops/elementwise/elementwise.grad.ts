import type { GradientRule } from '../../core/gradient.js';
import { realOf } from '../quantize/real.js';
import { reshape, sumRows } from './elementwise.js';

export const addGradient: GradientRule = { gradient: ({ dOutputs: [dy] }) => [dy, dy] };

export const addBiasGradient: GradientRule = {
  acceptsQuantized: true,
  gradient: ({ graph, node, dOutputs: [dy], wants }) => [
    dy,
    wants(1) ? graph.apply(sumRows, `${node.name}/dBias`, [realOf(graph, dy!)], {}) : undefined,
  ],
};

export const reshapeGradient: GradientRule = {
  gradient: ({ graph, node, dOutputs: [dy] }) => [
    graph.apply(reshape, `${node.name}/dx`, [dy], { shape: node.inputs[0]!.type.shape }),
  ],
};
