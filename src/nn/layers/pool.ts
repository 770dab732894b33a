import type { Shape } from '../../core/tensor.js';
import { averagePool as averagePoolOp, wholeImage } from '../../ops/pool/average-pool.js';
import { maxPool as maxPoolOp, type PoolAttributes } from '../../ops/pool/pool.js';
import { realOf } from '../../ops/quantize/real.js';
import type { Layer } from '../scope.js';
import { type Padding, slide } from './window.js';

export interface PoolOptions {
  /** Side of the square window. */
  readonly size: number;
  /** @default size */
  readonly stride?: number;
  /** @default 'same' */
  readonly padding?: Padding;
}

function attributesOf([, height, width]: Shape, options: PoolOptions): PoolAttributes {
  const { size, stride = size, padding = 'same' } = options;
  const vertical = slide(height!, size, stride, padding);
  const horizontal = slide(width!, size, stride, padding);
  const before = { padTop: vertical.before, padLeft: horizontal.before };
  return { size, stride, ...before, outHeight: vertical.out, outWidth: horizontal.out };
}

/** Maximum over size x size windows, of real numbers or of levels. */
export function maxPool(name: string, options: PoolOptions): Layer {
  return ({ graph }, x) => graph.apply(maxPoolOp, name, [x], attributesOf(x.type.shape, options), x.scale);
}

/** Mean over size x size windows, of the pixels that lie inside of the image; real. */
export function averagePool(name: string, options: PoolOptions): Layer {
  return ({ graph }, x) => graph.apply(averagePoolOp, name, [realOf(graph, x)], attributesOf(x.type.shape, options));
}

/** The mean over all pixels: [N, H, W, C] -> [N, 1, 1, C]. */
export function globalAverage(name: string): Layer {
  return ({ graph }, x) => graph.apply(averagePoolOp, name, [realOf(graph, x)], wholeImage(x.type.shape));
}
