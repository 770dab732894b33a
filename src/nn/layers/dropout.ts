import { dropout as dropoutOp } from '../../ops/dropout/dropout.js';
import { streamOf } from '../../util/philox.js';
import type { Layer } from '../scope.js';

/** Drops elements with probability `rate` in training; nothing otherwise. Levels stay levels. */
export function dropout(name: string, options: { readonly rate: number }): Layer {
  return (scope, x) =>
    scope.training
      ? scope.graph.apply(
          dropoutOp,
          name,
          [x, scope.step],
          { ...options, seed: scope.seed, stream: streamOf(name) },
          x.scale,
        )
      : x;
}
