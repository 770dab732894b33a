import { defineWgsl } from '../../core/wgsl.js';
import { philox } from '../philox.wgsl.js';
import { dropout } from './dropout.js';

export const dropoutWgsl = [
  // Four elements share a block of random numbers.
  defineWgsl(dropout, ({ params }) => [
    {
      count: Math.ceil(params.count / 4),
      code: `
${philox}
fn run(block: u32) {
  let random = uniform4(philox(block, get_step(0u), p.seed, p.stream));
  let i = 4u * block;
  ${
    params.isReal === 1
      ? `
  for (var k = 0u; k < 4u; k++) {
    if (i + k < u32(p.count)) { set_y(i + k, select(0.0, get_x(i + k) * p.factor, random[k] >= p.rate)); }
  }`
      : `
  let kept = select(vec4u(), vec4u(0xffu, 0xff00u, 0xff0000u, 0xff000000u), random >= vec4f(p.rate));
  set_word_y(block, word_x(block) & (kept.x | kept.y | kept.z | kept.w));`
  }
}`,
    },
  ]),
];
