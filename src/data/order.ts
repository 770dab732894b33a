/** The order in which an epoch visits the images. */
import { Philox } from '../util/philox.js';

/** The indices 0 .. count - 1, in order or shuffled; a shuffle is a function of (seed, epoch) alone. */
export function epochOrder(count: number, options: { shuffle: boolean; seed: number; epoch: number }): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  if (options.shuffle) new Philox(options.seed, 'order', options.epoch).shuffle(order);
  return order;
}
