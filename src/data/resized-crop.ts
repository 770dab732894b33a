/**
 * Random resized crop of training images (Szegedy et al. 2015, as it is usual for ImageNet): a rectangle of a random share of the
 * area, of a random ratio of sides and at a random place is brought back to the image's size by the package's one resize.
 *
 * The ratio is 1 + t or 1 / (1 - t) with t even in -1/3 .. 1/3: from 3/4 to 4/3, as often stretched as squeezed, in operations that
 * round the same everywhere. It is bounded so that the rectangle fits with its whole area. What the random numbers depend on:
 * augment.ts.
 */
import { createResizer, resizeTaps, type Taps } from '../image/resize.js';
import { imageBytes } from '../image/shape.js';
import type { Philox } from '../util/philox.js';
import type { ImageSet } from './dataset.js';

export interface Cut {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** One block of the generator per image. */
const numbersPerImage = 4;

/** The cut of image `index`, of at least `share` of the area; `random` is the stream (seed, 'augment cut', epoch). */
export function drawCut(
  random: Philox,
  index: number,
  share: number,
  { height, width }: { readonly height: number; readonly width: number },
): Cut {
  const at = index * numbersPerImage;
  const area = share + (1 - share) * random.uniform(at);
  const t = (2 * random.uniform(at + 1) - 1) / 3;
  const ratio = Math.min(Math.max(t >= 0 ? 1 + t : 1 / (1 - t), area), 1 / area);
  const extent = (whole: number, part: number): number => Math.min(whole, Math.max(1, Math.round(whole * part)));
  const rows = extent(height, Math.sqrt(area / ratio));
  const columns = extent(width, Math.sqrt(area * ratio));
  return {
    top: Math.floor(random.uniform(at + 2) * (height - rows + 1)),
    left: Math.floor(random.uniform(at + 3) * (width - columns + 1)),
    height: rows,
    width: columns,
  };
}

/** Cuts images of one shape, keeping the weights of the sizes that it has seen. */
export class Cutter {
  readonly #set: ImageSet;
  readonly #part: Uint8Array;
  readonly #taps = new Map<string, Taps>();

  constructor(set: ImageSet) {
    this.#set = set;
    this.#part = new Uint8Array(imageBytes(set));
  }

  /** Writes what `cut` leaves of image `index`, at the image's size, to `output`. */
  write(index: number, cut: Cut, output: Uint8Array): void {
    const { images, height, width, channels } = this.#set;
    const rowBytes = cut.width * channels;
    for (let y = 0; y < cut.height; y++) {
      const from = ((index * height + cut.top + y) * width + cut.left) * channels;
      this.#part.set(images.subarray(from, from + rowBytes), y * rowBytes);
    }
    const shape = { height: cut.height, width: cut.width, channels };
    createResizer(shape, { height, width }, (from, to) => this.#tapsOf(from, to))(this.#part, 0, output, 0);
  }

  #tapsOf(from: number, to: number): Taps {
    const key = `${from} ${to}`;
    let taps = this.#taps.get(key);
    if (taps === undefined) {
      taps = resizeTaps(from, to);
      this.#taps.set(key, taps);
    }
    return taps;
  }
}
