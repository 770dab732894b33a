/** Activations, and the quantizer of activations with them. */
import { type ActivationKind, activate } from '../../ops/activation/activation.js';
import { UsageError } from '../../util/errors.js';
import { requireBits } from '../quantizers/quantizer.js';
import type { Layer, Scope } from '../scope.js';

/**
 * h and f_A in front of the layer `next` (DoReFa-Net 2.4): in a quantized network the bounded function, then the levels that
 * `next` multiplies; in a float network relu. `next` may be a float layer of a quantized network (the last one): then the
 * result is bounded and not quantized, as in the authors' code; `bounded: false` gives relu there. A quantizer that bounds its
 * input itself takes it as it is.
 *
 * Throws a UsageError when the layer's activation bits are not those that the quantizer has.
 *
 * Several layers may multiply the same levels. Then `next` lists them all, and a UsageError says so if their activation bits or
 * quantizers differ.
 */
export function activation(
  next: string | readonly [string, ...string[]],
  options: { readonly bounded?: boolean } = {},
): Layer {
  const [first, ...others] = typeof next === 'string' ? [next] : next;
  return (scope, x) => {
    const bits = scope.bitsOf(first).activation;
    for (const other of others) requireSameInput(scope, first, other);
    const quantizer = scope.quantizerOf('activation', first);
    if (bits < 32) requireBits('activation', quantizer, bits, { layer: first });
    if (bits < 32 && quantizer.isBounding) return quantizer.quantize(scope, `${first}/input`, x, bits);
    const isBounded = bits < 32 || (scope.bits.activation < 32 && (options.bounded ?? true));
    const kind: ActivationKind = isBounded ? scope.boundedActivation : 'relu';
    const y = scope.graph.apply(activate, `${first}/${kind}`, [x], { kind });
    return bits < 32 ? quantizer.quantize(scope, `${first}/input`, y, bits) : y;
  };
}

function requireSameInput(scope: Scope, first: string, other: string): void {
  const requireSame = (what: string, of: (layer: string) => number | string): void => {
    const [own, others] = [of(first), of(other)];
    if (own === others) return;
    throw new UsageError(
      `the layers ${first} and ${other} share their input, so their activation ${what} must be the same, not ${own} and ${others}`,
    );
  };
  requireSame('bits', (layer) => scope.bitsOf(layer).activation);
  requireSame('quantizers', (layer) => scope.quantizerOf('activation', layer).name);
}

export function relu(name: string): Layer {
  return ({ graph }, x) => graph.apply(activate, name, [x], { kind: 'relu' });
}

/** min(max(x, 0), 1) */
export function clip(name: string): Layer {
  return ({ graph }, x) => graph.apply(activate, name, [x], { kind: 'clip' });
}
