import type { GradientRule } from '../../core/gradient.js';
import { SubbitError } from '../../util/errors.js';
import { reshape } from '../elementwise/elementwise.js';
import { type SoftmaxAttributes, softmaxCrossEntropyGradient } from './softmax.js';

export const softmaxCrossEntropyRule: GradientRule = {
  gradient({ graph, node, dOutputs: [dLosses] }) {
    if (dLosses === undefined) throw new SubbitError(`${node.name}: only the losses can be differentiated`);
    const [logits, labels, targets] = node.inputs;
    const dLogits = graph.apply(
      softmaxCrossEntropyGradient,
      `${node.name}/dLogits`,
      [node.outputs[1], labels, dLosses, targets],
      node.attributes as SoftmaxAttributes,
    );
    return [graph.apply(reshape, `${node.name}/dx`, [dLogits], { shape: logits!.type.shape })];
  },
};
