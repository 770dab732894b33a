/**
 * Gumbel noise on the logits (papers 2.3): y = x + noise * eps, eps = -log(-log(u + 1e-20) + 1e-20), u uniform at the element's
 * position. eps is computed in double and rounded once; u has 24 bits, so eps lies in -3.9 .. 16.7. The gradient passes as it is.
 */
import { defineOp, type InputTypes } from '../../core/op.js';
import { sizeOf } from '../../core/tensor.js';
import { Philox } from '../../util/philox.js';
import { requireReal } from '../elementwise/elementwise.js';

export interface GumbelNoiseAttributes {
  /** Factor of the noise. */
  readonly noise: number;
  readonly seed: number;
  readonly stream: number;
}

/** The Gumbel-distributed number of a uniform one. */
export function gumbel(u: number): number {
  return -Math.log(-Math.log(u + 1e-20) + 1e-20);
}

export const addGumbelNoise = defineOp({
  name: 'add-gumbel-noise',
  inputs: ['logits', 'step'],
  outputs: ['y'],
  infer([logits]: InputTypes, _: GumbelNoiseAttributes) {
    requireReal(logits!);
    return [logits!];
  },
  params: { count: 'i32', noise: 'f32', seed: 'i32', stream: 'i32' },
  pack: ([logits], { noise, seed, stream }) => ({
    count: sizeOf(logits!.shape),
    noise: Math.fround(noise),
    seed: seed | 0,
    stream: stream | 0,
  }),
  reference({ logits, step, y }, p) {
    const random = new Philox(p.seed, p.stream, step![0]!);
    for (let i = 0; i < p.count; i++) {
      y![i] = logits![i]! + Math.fround(p.noise * Math.fround(gumbel(random.uniform(i))));
    }
  },
});
