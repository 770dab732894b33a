/**
 * Records of a data set that cannot be used: a label out of range, a picture that does not decode. A few are left out and
 * counted, since real collections have some; many mean that the file is another one than it seems, or was cut, and are an
 * error, as any is when the user wants the set whole (`strict`).
 */
import { imageBytes } from '../image/shape.js';
import { FormatError } from '../util/errors.js';
import type { ImageSet, LoadOptions } from './dataset.js';

/** One in a hundred; of small sets three, but never more than one in ten. */
function mostOf(records: number): number {
  return Math.max(Math.floor(records / 100), Math.min(3, Math.floor(records / 10)));
}

export class DamagedRecords {
  readonly #from: string;
  readonly #records: number;
  readonly #options: LoadOptions;
  /** By index, what is wrong. */
  readonly #problems = new Map<number, string>();

  /** Of `records` records in `from`, a file or folder. */
  constructor(from: string, records: number, options: LoadOptions) {
    this.#from = from;
    this.#records = records;
    this.#options = options;
  }

  /** Leaves record `index` out. Throws a FormatError when that is one too many. */
  add(index: number, problem: string): void {
    this.#problems.set(index, problem);
    if (this.#options.strict) throw new FormatError(`'${this.#from}' is damaged: ${problem}`);
    const most = mostOf(this.#records);
    if (this.#problems.size <= most) return;
    const others = most === 0 ? '' : ` and more than ${most} of the ${this.#records} records are unusable`;
    throw new FormatError(
      `'${this.#from}' is damaged: ${this.#problems.get(Math.min(...this.#problems.keys()))}${others}`,
    );
  }

  /**
   * `set`, whose first image is record `first`, without the damaged ones: the others move together in its memory. Says how many
   * there were.
   */
  leaveOut(set: ImageSet, first = 0): ImageSet {
    const damaged = [...this.#problems.keys()].filter((index) => index >= first && index < first + set.count);
    const skipped = damaged.length;
    if (skipped === 0) return set;
    const size = imageBytes(set);
    const { images, labels } = set;
    let count = 0;
    for (let i = 0; i < set.count; i++) {
      if (this.#problems.has(first + i)) continue;
      if (count < i) {
        images.copyWithin(count * size, i * size, (i + 1) * size);
        labels[count] = labels[i] as number;
      }
      count++;
    }
    const example = this.#problems.get(Math.min(...damaged));
    this.#options.onNotice?.(
      `left out ${skipped} damaged of ${set.count} records of '${this.#from}': ${example}${skipped > 1 ? ', ..' : ''}`,
    );
    return { ...set, count, images: images.subarray(0, count * size), labels: labels.subarray(0, count), skipped };
  }
}
