/** A quantizer and a layer of one's own: functions that add nodes to the graph. Neither needs to be registered. */
import { add, type Layer, type Quantizer, quantizeSign, weightQuantizers } from 'subbit/nn';

/** 1-bit weights without the layer's scale, for networks whose batch norms take care of it; more bits as in DoReFa-Net. */
export const plainSign: Quantizer = {
  name: 'plain-sign',
  description: 'sign(W)',
  quantize(scope, name, filter, bits) {
    if (bits > 1) return weightQuantizers.dorefa!.quantize(scope, name, filter, bits);
    return scope.graph.apply(quantizeSign, `${name}/sign`, [filter], {});
  },
};

/** Two layers side by side on the same input, added. */
export function parallel(name: string, left: Layer, right: Layer): Layer {
  return (scope, x) => scope.graph.apply(add, name, [left(scope, x), right(scope, x)], {});
}
