import { defineWgsl } from '../../core/wgsl.js';
import { filterGradientProduct, imageElement } from '../conv2d/conv2d.wgsl.js';
import { conv2dFilterGradientDot } from './filter-gradient.js';

const operands = `
${imageElement}
fn gradient(pixel: u32, sample: u32, k: u32) -> f32 {
  return real_dy(pixel * u32(p.outChannels) + k, k) * (p.factor * get_dyScale(sample));
}`;

export const filterGradientWgsl = [
  defineWgsl(conv2dFilterGradientDot, {
    passes: ({ params }) => filterGradientProduct(params, operands).passes,
    scratchBytes: ({ params }) => filterGradientProduct(params, operands).scratchBytes,
  }),
];
