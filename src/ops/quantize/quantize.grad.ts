/** Straight-through gradients of the quantizers (papers eq. 5-14). */
import type { GradientRule } from '../../core/gradient.js';
import { maxAbsPerSample, type QuantizeGradientAttributes, quantizeGradient } from './gradients.js';
import { type QuantizeScaledAttributes, quantizeScaledGradient } from './learned.js';
import { signGradient } from './signs.js';
import { type QuantizeSignAttributes, quantizeTanhGradient } from './weights.js';

/** quantize_k on 0..1, ternary weights, learned scales, dequantize: the gradient passes unchanged. */
export const straightThrough: GradientRule = { gradient: ({ dOutputs: [dy] }) => [dy] };

export const quantizeTanhStraightThrough: GradientRule = {
  gradient: ({ graph, node, dOutputs: [dLevels] }) => [
    graph.apply(quantizeTanhGradient, `${node.name}/dx`, [node.inputs[0], node.inputs[1], dLevels], {}),
  ],
};

/** The sign: unchanged, or through what stands for it. */
export const quantizeSignRule: GradientRule = {
  gradient({ graph, node, dOutputs: [dLevels] }) {
    const { kind, scaleAxis } = node.attributes as QuantizeSignAttributes;
    if (kind === undefined) return [dLevels];
    const scale = scaleAxis === 'last' ? node.outputs[0]!.scale : undefined;
    return [graph.apply(signGradient, `${node.name}/dx`, [node.inputs[0], dLevels, scale], { kind })];
  },
};

/** To x, and to the parameter behind the scale. */
export const quantizeScaledRule: GradientRule = {
  gradient: ({ graph, node, dOutputs: [dy] }) =>
    graph.add(
      quantizeScaledGradient,
      `${node.name}/dx`,
      [node.inputs[0], node.inputs[1], dy],
      node.attributes as QuantizeScaledAttributes,
    ),
};

/** f_G: the gradient becomes levels with one scale per sample. */
export const quantizeBackwardGradient: GradientRule = {
  gradient({ graph, node, dOutputs: [dy] }) {
    const max = graph.apply(maxAbsPerSample, `${node.name}/max`, [dy], {});
    const attributes = node.attributes as QuantizeGradientAttributes;
    return [graph.apply(quantizeGradient, `${node.name}/levels`, [dy, max, node.inputs[1]], attributes, max)];
  },
};
