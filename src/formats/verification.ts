/** The images that a deployed network is verified on: random bytes that the file need not hold. */
import { Philox } from '../util/philox.js';
import type { NetworkInput } from './deployed-network.js';

/** [count, height, width, channels]: byte i is byte i % 4 (from the lowest) of word floor(i / 4) of the stream 'verification'. */
export function verificationImages({ height, width, channels }: NetworkInput, seed: number, count: number): Uint8Array {
  const images = new Uint8Array(count * height * width * channels);
  const random = new Philox(seed, 'verification');
  for (let i = 0; i < images.length; i++) images[i] = random.word(i >> 2) >>> (8 * (i & 3));
  return images;
}
