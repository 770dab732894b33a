/** The two products of the backward pass (DoReFa-Net, algorithm 1): both take the gradient as the quantizer left it. */
import type { GradientRule } from '../../core/gradient.js';
import { type Conv2dAttributes, conv2dFilterGradient, conv2dInputGradient } from './conv2d.js';

export const conv2dGradient: GradientRule = {
  acceptsQuantized: true,
  gradient({ graph, node, dOutputs: [dy], wants }) {
    const [x, filter, xScale, filterScale] = node.inputs;
    const attributes = node.attributes as Conv2dAttributes;
    const [, height, width] = x!.type.shape as [number, number, number];
    const [kernelHeight, kernelWidth] = filter!.type.shape as [number, number];
    return [
      wants(0)
        ? graph.apply(conv2dInputGradient, `${node.name}/dx`, [dy, filter, dy!.scale, filterScale], {
            ...attributes,
            height,
            width,
          })
        : undefined,
      wants(1)
        ? graph.apply(conv2dFilterGradient, `${node.name}/dFilter`, [x, dy, xScale, dy!.scale], {
            ...attributes,
            kernelHeight,
            kernelWidth,
          })
        : undefined,
    ];
  },
};
