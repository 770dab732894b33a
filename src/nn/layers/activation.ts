/** Activations, and the quantizer of activations with them. */
import { type ActivationKind, activate } from '../../ops/activation/activation.js';
import { UsageError } from '../../util/errors.js';
import type { Layer, Scope } from '../scope.js';

/**
 * h and f_A in front of the layer `next` (DoReFa-Net 2.4): in a quantized network the bounded function, then the levels that
 * `next` multiplies; in a float network relu. `next` may be a float layer of a quantized network (the last one): then the
 * result is bounded and not quantized, as in the authors' code; `bounded: false` gives relu there.
 *
 * Several layers may multiply the same levels. Then `next` lists them all, and a UsageError says so if their activation bits
 * differ.
 */
export function activation(
  next: string | readonly [string, ...string[]],
  options: { readonly bounded?: boolean } = {},
): Layer {
  const [first, ...others] = typeof next === 'string' ? [next] : next;
  return (scope, x) => {
    const bits = scope.bitsOf(first).activation;
    for (const other of others) requireSameBits(scope, first, other);
    const isBounded = bits < 32 || (scope.bits.activation < 32 && (options.bounded ?? true));
    const kind: ActivationKind = isBounded ? scope.boundedActivation : 'relu';
    const y = scope.graph.apply(activate, `${first}/${kind}`, [x], { kind });
    return bits < 32 ? scope.activationQuantizer.quantize(scope, `${first}/input`, y, bits) : y;
  };
}

function requireSameBits(scope: Scope, first: string, other: string): void {
  const [own, others] = [first, other].map((layer) => scope.bitsOf(layer).activation);
  if (own === others) return;
  throw new UsageError(
    `the layers ${first} and ${other} share their input, so their activation bits must be the same, not ${own} and ${others}`,
  );
}

export function relu(name: string): Layer {
  return ({ graph }, x) => graph.apply(activate, name, [x], { kind: 'relu' });
}
