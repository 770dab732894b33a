import { defineWgsl } from '../../core/wgsl.js';
import { wgslMath } from '../math.wgsl.js';
import { philox } from '../philox.wgsl.js';
import { addGumbelNoise } from './gumbel-noise.js';

export const gumbelNoiseWgsl = [
  // Four elements share a block of random numbers.
  defineWgsl(addGumbelNoise, ({ params }) => [
    {
      count: Math.ceil(params.count / 4),
      code: `
${philox}
${wgslMath.logarithm}
fn gumbel(u: f32) -> f32 {
  let inner = logarithmParts(u + 1e-20);
  let x = -(inner.x + inner.y);
  // Near 1, where the outer logarithm is near 0, what it takes is the difference from 1.
  if (x > 0.75 && x < 1.25) { return -logarithmOf(0.0, (-inner.x - 1.0) - inner.y).y; }
  return -logarithm(x);
}
fn run(block: u32) {
  let random = uniform4(philox(block, get_step(0u), p.seed, p.stream));
  for (var k = 0u; k < 4u; k++) {
    let i = 4u * block + k;
    if (i < u32(p.count)) { set_y(i, get_logits(i) + p.noise * gumbel(random[k])); }
  }
}`,
    },
  ]),
];
