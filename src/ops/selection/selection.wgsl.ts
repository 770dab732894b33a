/** The list of selection's kernels. */
import { assignWgsl } from './assign.wgsl.js';
import { codewordGradientWgsl } from './codeword-gradient.wgsl.js';
import { groupFiltersWgsl } from './group-filters.wgsl.js';
import { gumbelNoiseWgsl } from './gumbel-noise.wgsl.js';
import { renewPatternsWgsl } from './renew-patterns.wgsl.js';
import { sinkhornWgsl } from './sinkhorn.wgsl.js';

export const selectionWgsl = [
  ...groupFiltersWgsl,
  ...codewordGradientWgsl,
  ...gumbelNoiseWgsl,
  ...sinkhornWgsl,
  ...assignWgsl,
  ...renewPatternsWgsl,
];
