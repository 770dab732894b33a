import { real } from '../../core/tensor.js';
import { batchNormalize } from '../../ops/batch-norm/batch-norm.js';
import { realOf } from '../../ops/quantize/real.js';
import type { Layer } from '../scope.js';

export interface NormalizeOptions {
  /** One per channel. */
  readonly steps: readonly number[];
  readonly offsets: readonly number[];
}

/**
 * x[c] * steps[c] + offsets[c], fixed: the image's numbers for a network that wants another step or zero point per channel than the one
 * step and the whole zero points that bytes have. Throws when there are not as many numbers as channels.
 */
export function normalize(name: string, { steps, offsets }: NormalizeOptions): Layer {
  return ({ graph }, x) => {
    const parts = { mean: steps.map(() => 0), variance: steps.map(() => 1), steps, offsets };
    const constants = Object.entries(parts).map(([part, numbers]) =>
      graph.constant(`${name}/${part}`, real([numbers.length]), Float32Array.from(numbers)),
    );
    return graph.apply(batchNormalize, name, [realOf(graph, x), ...constants], { epsilon: 0 });
  };
}
