/**
 * Decoding many pictures to images of one shape. A picture is decoded in a thread of sharp's, a few at a time so that only so
 * many are held at full size, and brought to the shape by the package's own conversion (src/image/convert.ts), the one that
 * `predict` uses too.
 */
import { availableParallelism } from 'node:os';
import { type Converter, createConverter } from '../image/convert.js';
import { type ImageShape, imageBytes } from '../image/shape.js';
import { FormatError, UsageError } from '../util/errors.js';
import type { DamagedRecords } from './damaged-records.js';
import type { ImageSet } from './dataset.js';
import { openPictureReader, type Picture, type PictureReader } from './picture-reader.js';

/** More at once would not be faster, and each may hold hundreds of megabytes. */
const mostAtOnce = Math.min(4, availableParallelism());
/** Collections have few different sizes, or so many that keeping converters does not help. */
const keptConverters = 32;

export interface EncodedPicture {
  /** For messages. */
  readonly name: string;
  /** A file, or the bytes of one; undefined where a record has none. */
  readonly picture: string | Uint8Array | undefined;
}

export class PictureDecoder {
  readonly #read: PictureReader;
  readonly #shape: ImageShape;
  readonly #converters = new Map<string, Converter | undefined>();

  private constructor(read: PictureReader, shape: ImageShape) {
    this.#read = read;
    this.#shape = shape;
  }

  /** Throws a SubbitError where sharp is missing, a UsageError where no shape is given; `from` is what holds the pictures. */
  static async open(from: string, shape: ImageShape | undefined): Promise<PictureDecoder> {
    if (shape === undefined) {
      throw new UsageError(
        `'${from}' holds pictures of any size: give the shape to bring them to, as a network's input`,
      );
    }
    return new PictureDecoder(await openPictureReader(), shape);
  }

  /**
   * Decodes `pictures` to the images of `set` from `first` on. What does not decode is added to `damaged`, in order whatever
   * was decoded first, so that the same one is named each time.
   */
  async decode(
    pictures: readonly EncodedPicture[],
    set: ImageSet,
    { first, damaged, onPicture }: { first: number; damaged: DamagedRecords; onPicture: (done: number) => void },
  ): Promise<void> {
    const problems = new Map<number, string>();
    let next = 0;
    let done = 0;
    const decodeOnes = async (): Promise<void> => {
      while (next < pictures.length) {
        const index = next++;
        const { name, picture } = pictures[index]!;
        try {
          if (picture === undefined) throw new FormatError(`${name} has no picture`);
          const decoded = await this.#read(picture, name);
          this.#convert(decoded)(decoded.data, 0, set.images, (first + index) * imageBytes(set));
        } catch (error) {
          if (!(error instanceof FormatError)) throw error;
          problems.set(index, error.message);
        }
        onPicture(first + ++done);
      }
    };
    await Promise.all(Array.from({ length: mostAtOnce }, decodeOnes));
    for (const index of [...problems.keys()].sort((a, b) => a - b)) damaged.add(first + index, problems.get(index)!);
  }

  #convert({ height, width, channels }: Picture): Converter {
    const key = `${height} ${width} ${channels}`;
    let convert = this.#converters.get(key);
    if (convert === undefined) {
      convert = createConverter({ height, width, channels }, this.#shape) ?? copy(imageBytes(this.#shape));
      if (this.#converters.size === keptConverters) this.#converters.clear();
      this.#converters.set(key, convert);
    }
    return convert;
  }
}

function copy(bytes: number): Converter {
  return (input, inputAt, output, outputAt) => output.set(input.subarray(inputAt, inputAt + bytes), outputAt);
}
