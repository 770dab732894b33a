/**
 * Pictures as browsers have them, as bytes. ImageData has its bytes; anything else that can be drawn is drawn on an OffscreenCanvas. A
 * picture much larger than the network's input is drawn smaller, so that a photo of twelve megapixels is not read back in full; the rest
 * of the way to the input's size is the same resize that training uses.
 *
 * The types say what is used of the DOM's, so that they need no DOM: this module serves Node, too.
 */
import type { ImageShape } from '../image/shape.js';
import { UsageError } from '../util/errors.js';

/** ImageData. */
export interface Pixels {
  /** RGBA. */
  readonly data: Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** ImageData, ImageBitmap, VideoFrame, HTMLCanvasElement, OffscreenCanvas, HTMLImageElement or HTMLVideoElement. */
export type Picture =
  | Pixels
  | { readonly width: number; readonly height: number }
  | { readonly displayWidth: number; readonly displayHeight: number };

/** The extents of those above that have others than `width` and `height`, or besides these as they are laid out. */
interface Extents {
  readonly width?: number;
  readonly height?: number;
  readonly displayWidth?: number;
  readonly displayHeight?: number;
  readonly naturalWidth?: number;
  readonly naturalHeight?: number;
  readonly videoWidth?: number;
  readonly videoHeight?: number;
}

interface Canvas {
  getContext(
    kind: '2d',
    options: object,
  ): {
    imageSmoothingQuality: string;
    drawImage(picture: Picture, x: number, y: number, width: number, height: number): void;
    getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8ClampedArray };
  } | null;
}

/** Of a canvas's extent to the input's, and where inputs are small, of the canvas's. */
const mostTimes = 4;
const smallExtent = 256;

/** RGBA bytes and their shape. Throws a UsageError for what is no picture, has no size (yet), or cannot be drawn here. */
export function pixelsOf(
  picture: Picture,
  { height, width }: ImageShape,
): { readonly data: Uint8ClampedArray; readonly shape: ImageShape } {
  const { data } = picture as Partial<Pixels>;
  if (data instanceof Uint8ClampedArray) {
    const { width, height } = picture as Pixels;
    return { data, shape: { height, width, channels: 4 } };
  }
  const extents = picture as Extents;
  const fullWidth = extents.naturalWidth ?? extents.videoWidth ?? extents.displayWidth ?? extents.width;
  const fullHeight = extents.naturalHeight ?? extents.videoHeight ?? extents.displayHeight ?? extents.height;
  if (!(fullWidth! > 0 && fullHeight! > 0)) {
    const found = `${fullWidth} x ${fullHeight} pixels`;
    throw new UsageError(`a picture must be loaded before it is prepared, and have pixels: this one has ${found}`);
  }
  const drawnWidth = Math.min(fullWidth!, Math.max(smallExtent, mostTimes * width));
  const drawnHeight = Math.min(fullHeight!, Math.max(smallExtent, mostTimes * height));
  const { OffscreenCanvas } = globalThis as { OffscreenCanvas?: new (width: number, height: number) => Canvas };
  if (OffscreenCanvas === undefined)
    throw new UsageError(
      'pictures are drawn on an OffscreenCanvas, which there is none of here; give bytes and their shape',
    );
  const context = new OffscreenCanvas(drawnWidth, drawnHeight).getContext('2d', { willReadFrequently: true })!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, 0, 0, drawnWidth, drawnHeight);
  const drawn = context.getImageData(0, 0, drawnWidth, drawnHeight);
  return { data: drawn.data, shape: { height: drawnHeight, width: drawnWidth, channels: 4 } };
}
