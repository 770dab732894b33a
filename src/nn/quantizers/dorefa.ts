/** The three quantizers of DoReFa-Net (papers 2.3-2.5). The formulas stand at the ops. */
import { quantizeUnit } from '../../ops/quantize/activations.js';
import { quantizeBackward } from '../../ops/quantize/gradients.js';
import { maxAbsTanh, meanAbs, quantizeSign, quantizeTanh } from '../../ops/quantize/weights.js';
import { streamOf } from '../../util/philox.js';
import type { Quantizer } from './quantizer.js';

export const dorefaWeights: Quantizer = {
  name: 'dorefa',
  description: '1 bit: sign(W) * mean|W| of the layer; more bits: tanh map to -1..1',
  quantize({ graph }, name, filter, bits) {
    if (bits === 1) {
      const scale = graph.apply(meanAbs, `${name}/scale`, [filter], {});
      return graph.apply(quantizeSign, `${name}/sign`, [filter], {}, scale);
    }
    const max = graph.apply(maxAbsTanh, `${name}/max`, [filter], {});
    return graph.apply(quantizeTanh, `${name}/levels`, [filter, max], { bits });
  },
};

export const dorefaActivations: Quantizer = {
  name: 'dorefa',
  description: 'round((2^k - 1) x) of a bounded activation in 0..1',
  quantize: ({ graph }, name, x, bits) => graph.apply(quantizeUnit, `${name}/levels`, [x], { bits }),
};

/** Marks a layer's output: its gradient is quantized per sample with stochastic noise. The noise's stream is the layer's name. */
export const dorefaGradients: Quantizer = {
  name: 'dorefa',
  description: 'per-sample scale max|g|, uniform noise before rounding',
  quantize: (scope, name, x, bits) =>
    scope.training
      ? scope.graph.apply(quantizeBackward, `${name}/backward`, [x, scope.step], {
          bits,
          seed: scope.seed,
          stream: streamOf(name),
        })
      : x,
};
