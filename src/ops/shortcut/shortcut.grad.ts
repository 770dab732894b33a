import type { GradientRule } from '../../core/gradient.js';
import { strideShortcutGradient } from './shortcut.js';

export const strideShortcutRule: GradientRule = {
  gradient: ({ graph, node, dOutputs: [dy] }) => [
    graph.apply(strideShortcutGradient, `${node.name}/dx`, [dy], {
      shape: node.inputs[0]!.type.shape,
      stride: (node.attributes as { stride: number }).stride,
    }),
  ],
};
