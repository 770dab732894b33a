/** Activations, and the quantizer of activations with them. */
import { type ActivationKind, activate } from '../../ops/activation/activation.js';
import { UsageError } from '../../util/errors.js';
import type { Quantizer } from '../quantizers/index.js';
import type { Layer, Scope } from '../scope.js';

/**
 * h and f_A in front of the layer `next` (DoReFa-Net 2.4): in a quantized network the bounded function, then the levels that
 * `next` multiplies; in a float network relu. `next` may be a float layer of a quantized network (the last one): then the
 * result is bounded and not quantized, as in the authors' code; `bounded: false` gives relu there. A quantizer that bounds its
 * input itself takes it as it is.
 *
 * Throws a UsageError when the layer's activation bits are not those that the quantizer has.
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
    const quantizer = scope.activationQuantizer;
    if (bits < 32) requireBits(quantizer, first, bits);
    if (bits < 32 && quantizer.isBounding) return quantizer.quantize(scope, `${first}/input`, x, bits);
    const isBounded = bits < 32 || (scope.bits.activation < 32 && (options.bounded ?? true));
    const kind: ActivationKind = isBounded ? scope.boundedActivation : 'relu';
    const y = scope.graph.apply(activate, `${first}/${kind}`, [x], { kind });
    return bits < 32 ? quantizer.quantize(scope, `${first}/input`, y, bits) : y;
  };
}

function requireBits({ name, bits: own }: Quantizer, layer: string, bits: number): void {
  if (own === undefined || own === bits) return;
  throw new UsageError(
    `${layer}: the activation quantizer ${name} has ${own} bit, so the layer's activation bits cannot be ${bits}; use W-${own}-G or dorefa`,
  );
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
