/**
 * Brings images to the shape that a network takes: transparency blended over white, colour to grey, resize, grey to colour,
 * each where needed, in the order that resizes the fewest channels. Training data and deployed networks both go through here.
 */
import { UsageError } from '../util/errors.js';
import { blendOverWhite, colourToGrey, greyToColour } from './channels.js';
import { createResizer } from './resize.js';
import { type ImageShape, imageBytes } from './shape.js';

/** Converts the image at `input[inputAt..]` to one at `output[outputAt..]`. */
export type Converter = (input: Uint8Array, inputAt: number, output: Uint8Array, outputAt: number) => void;

interface Stage {
  readonly shape: ImageShape;
  readonly convert: Converter;
}

/** Channels that are left when transparency is gone: grey and alpha become grey, RGBA becomes RGB. */
const opaqueChannels: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 3, 4: 3 };

function checkShapes(from: ImageShape, to: ImageShape): void {
  const isPositive = (extent: number): boolean => Number.isInteger(extent) && extent > 0;
  for (const { height, width } of [from, to]) {
    if (!isPositive(height) || !isPositive(width)) {
      throw new UsageError(`an image's height and width must be positive integers, not ${height} x ${width}`);
    }
  }
  const isPossible =
    to.channels === from.channels ||
    ((to.channels === 1 || to.channels === 3) && opaqueChannels[from.channels] !== undefined);
  if (!isPossible) {
    throw new UsageError(
      `images of ${from.channels} channels cannot become images of ${to.channels}: only 1 to 3 and 3 to 1`,
    );
  }
}

/** The conversions from one shape to the other, each with the shape it makes. */
function stagesBetween(from: ImageShape, to: ImageShape): Stage[] {
  const stages: Stage[] = [];
  let shape = from;
  const add = (next: ImageShape, convert: Converter): void => {
    stages.push({ shape: next, convert });
    shape = next;
  };
  const opaque = opaqueChannels[from.channels] ?? from.channels;
  if (to.channels !== from.channels && opaque < from.channels) {
    const pixels = from.height * from.width;
    add({ ...shape, channels: opaque }, (input, inputAt, output, outputAt) =>
      blendOverWhite(input, inputAt, output, outputAt, pixels, opaque),
    );
  }
  if (to.channels < shape.channels) {
    const pixels = from.height * from.width;
    add({ ...shape, channels: 1 }, (input, inputAt, output, outputAt) =>
      colourToGrey(input, inputAt, output, outputAt, pixels),
    );
  }
  if (to.height !== from.height || to.width !== from.width) {
    add({ height: to.height, width: to.width, channels: shape.channels }, createResizer(shape, to));
  }
  if (to.channels > shape.channels) {
    const pixels = to.height * to.width;
    add({ ...shape, channels: 3 }, (input, inputAt, output, outputAt) =>
      greyToColour(input, inputAt, output, outputAt, pixels),
    );
  }
  return stages;
}

/**
 * A converter between two shapes, with its working memory, so that one serves many images; undefined when they are the same.
 * Throws a UsageError for an impossible shape: channels change from 1 to 3 and from 3 to 1, and transparency (2 or 4 channels) goes.
 */
export function createConverter(from: ImageShape, to: ImageShape): Converter | undefined {
  checkShapes(from, to);
  const stages = stagesBetween(from, to);
  const last = stages.length - 1;
  if (last < 0) return undefined;
  // Every stage but the last writes one image, which the next stage reads.
  const between = stages.slice(0, last).map(({ shape }) => new Uint8Array(imageBytes(shape)));
  return (input, inputAt, output, outputAt) => {
    for (const [k, { convert }] of stages.entries()) {
      const source = k === 0 ? input : between[k - 1]!;
      convert(source, k === 0 ? inputAt : 0, between[k] ?? output, k === last ? outputAt : 0);
    }
  };
}

/** One image as a network takes it. Throws a UsageError when the bytes are no image of that shape, and as `createConverter`. */
export function convertImage(image: Uint8Array | Uint8ClampedArray, from: ImageShape, to: ImageShape): Uint8Array {
  const bytes = new Uint8Array(image.buffer, image.byteOffset, image.length);
  const convert = createConverter(from, to);
  if (bytes.length !== imageBytes(from)) {
    const { height, width, channels } = from;
    throw new UsageError(`${bytes.length} bytes are no ${height}x${width}x${channels} image`);
  }
  const converted = new Uint8Array(imageBytes(to));
  if (convert === undefined) converted.set(bytes);
  else convert(bytes, 0, converted, 0);
  return converted;
}
