import { globalAveragePool, maxPool as maxPoolOp } from '../../ops/pool/pool.js';
import { realOf } from '../../ops/quantize/real.js';
import type { Layer } from '../scope.js';
import { type Padding, slide } from './window.js';

/** Maximum over size x size windows, of real numbers or of levels. `stride` is `size` by default. */
export function maxPool(
  name: string,
  options: { readonly size: number; readonly stride?: number; readonly padding?: Padding },
): Layer {
  const { size, stride = size, padding = 'same' } = options;
  return ({ graph }, x) => {
    const vertical = slide(x.type.shape[1]!, size, stride, padding);
    const horizontal = slide(x.type.shape[2]!, size, stride, padding);
    return graph.apply(
      maxPoolOp,
      name,
      [x],
      {
        size,
        stride,
        padTop: vertical.before,
        padLeft: horizontal.before,
        outHeight: vertical.out,
        outWidth: horizontal.out,
      },
      x.scale,
    );
  };
}

/** The mean over all pixels: [N, H, W, C] -> [N, 1, 1, C]. */
export function globalAverage(name: string): Layer {
  return ({ graph }, x) => graph.apply(globalAveragePool, name, [realOf(graph, x)], {});
}
