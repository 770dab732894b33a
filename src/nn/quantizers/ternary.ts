/** Ternary weights with one scale per layer; the formulas stand at the ops (ops/quantize/ternary.ts). */
import { quantizeTernary, ternaryScale } from '../../ops/quantize/ternary.js';
import { meanAbs } from '../../ops/quantize/weights.js';
import type { Quantizer } from './quantizer.js';

export const ternaryWeights: Quantizer = {
  name: 'ternary',
  description: '-1, 0 or 1 times the mean of what is not near 0',
  bits: [2, 2],
  quantize({ graph }, name, filter) {
    const mean = graph.apply(meanAbs, `${name}/mean`, [filter], {});
    const scale = graph.apply(ternaryScale, `${name}/scale`, [filter, mean], {});
    return graph.apply(quantizeTernary, `${name}/levels`, [filter, mean], {}, scale);
  },
};
