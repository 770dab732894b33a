/** Activations, and the quantizer of activations with them. */
import { type ActivationKind, activate } from '../../ops/activation/activation.js';
import type { Layer } from '../scope.js';

/**
 * h and f_A in front of the layer `next` (DoReFa-Net 2.4): in a quantized network the bounded function, then the levels that
 * `next` multiplies; in a float network relu. `next` may be a float layer of a quantized network (the last one): then the
 * result is bounded and not quantized, as in the authors' code; `bounded: false` gives relu there.
 */
export function activation(next: string, options: { readonly bounded?: boolean } = {}): Layer {
  return (scope, x) => {
    const bits = scope.bitsOf(next).activation;
    const isBounded = bits < 32 || (scope.bits.activation < 32 && (options.bounded ?? true));
    const kind: ActivationKind = isBounded ? scope.boundedActivation : 'relu';
    const y = scope.graph.apply(activate, `${next}/${kind}`, [x], { kind });
    return bits < 32 ? scope.activationQuantizer.quantize(scope, `${next}/input`, y, bits) : y;
  };
}

export function relu(name: string): Layer {
  return ({ graph }, x) => graph.apply(activate, name, [x], { kind: 'relu' });
}
