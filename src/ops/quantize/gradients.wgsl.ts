import { defineWgsl } from '../../core/wgsl.js';
import { philox } from '../philox.wgsl.js';
import { largestOf, magnitudeBits, reduction } from '../reduction.wgsl.js';
import { maxAbsPerSample, quantizeGradient, smallestMax } from './gradients.js';
import { levelOf } from './rounding.wgsl.js';

/** fn gradientLevel(dy: f32, largest: f32, noise: f32) -> u32, of ops with the param levels; noise is uniform in 0 .. 1. */
export const gradientLevel = `
${levelOf}
fn gradientLevel(dy: f32, largest: f32, noise: f32) -> u32 {
  let half = 0.5 * f32(p.levels);
  let inverse = select(0.0, half / largest, largest > ${smallestMax});
  return levelOf((dy * inverse + half) + (noise - 0.5), p.levels);
}`;

/**
 * WGSL of an op with the params levels, seed and stream: writes word w, whose noise is one block of Philox. `element` is an expression of
 * the gradient i, `largest` one of the largest magnitude of its sample.
 */
export function gradientWords(element: string, largest: string): string {
  return `
${philox}
${gradientLevel}
fn levelAt(i: u32, noise: f32) -> u32 { return gradientLevel(${element}, ${largest}, noise); }
fn run(w: u32) {
  let noise = uniform4(philox(w, get_step(0u), p.seed, p.stream));
  let i = 4u * w;
  set_word_levels(w, levelAt(i, noise.x) | (levelAt(i + 1u, noise.y) << 8u) | (levelAt(i + 2u, noise.z) << 16u) | (levelAt(i + 3u, noise.w) << 24u));
}`;
}

export const gradientQuantizerWgsl = [
  defineWgsl(
    maxAbsPerSample,
    reduction({
      ...largestOf,
      extent: ({ samples, elements }) => ({ samples, elements }),
      elements: 'u32(p.elements)',
      code: `
${magnitudeBits}
fn value(i: u32) -> vec2u { return vec2u(magnitudeBits(get_x(i)), 0u); }
fn finish(sample: u32, total: vec2u) { set_word_max(sample, total.x); }`,
    }),
  ),
  defineWgsl(quantizeGradient, ({ params }) => [
    {
      count: Math.ceil((params.samples * params.elements) / 4),
      code: gradientWords('get_dy(i)', 'get_max(i / u32(p.elements))'),
    },
  ]),
];
