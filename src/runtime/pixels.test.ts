import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UsageError } from '../util/errors.js';
import { type Picture, pixelsOf } from './pixels.js';

const input = { height: 32, width: 32, channels: 3 };

/** A canvas that notes what was drawn on it, and gives bytes of its size. */
class NotingCanvas {
  static drawn: { width: number; height: number }[] = [];
  readonly width: number;
  readonly height: number;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
  }

  getContext() {
    return {
      imageSmoothingQuality: '',
      drawImage: (_: Picture, __: number, ___: number, width: number, height: number) =>
        NotingCanvas.drawn.push({ width, height }),
      getImageData: () => ({ data: new Uint8ClampedArray(this.width * this.height * 4) }),
    };
  }
}

describe('pictures of browsers', () => {
  beforeEach(() => {
    NotingCanvas.drawn = [];
    Object.assign(globalThis, { OffscreenCanvas: NotingCanvas });
  });
  afterEach(() => {
    Reflect.deleteProperty(globalThis, 'OffscreenCanvas');
  });

  test('ImageData is taken as it is', () => {
    const data = new Uint8ClampedArray(2 * 3 * 4).fill(7);
    expect(pixelsOf({ data, width: 3, height: 2 }, input)).toEqual({
      data,
      shape: { height: 2, width: 3, channels: 4 },
    });
    expect(NotingCanvas.drawn).toEqual([]);
  });

  test('others are drawn: small ones at their size, large ones smaller', () => {
    const shapeOf = (picture: object) => pixelsOf(picture as Picture, input).shape;
    expect(shapeOf({ width: 100, height: 50 })).toEqual({ width: 100, height: 50, channels: 4 });
    // The input stretches it anyway, so each side is cut down by itself.
    expect(shapeOf({ width: 4000, height: 3000 })).toMatchObject({ width: 256, height: 256 });
    expect(shapeOf({ width: 4000, height: 60 })).toMatchObject({ width: 256, height: 60 });
    // What a frame shows, a photo has and a film is, whatever the page makes of its element.
    expect(shapeOf({ displayWidth: 64, displayHeight: 48 })).toMatchObject({ width: 64, height: 48 });
    expect(shapeOf({ width: 10, height: 10, naturalWidth: 64, naturalHeight: 48 })).toMatchObject({ width: 64 });
    expect(shapeOf({ width: 10, height: 10, videoWidth: 64, videoHeight: 48 })).toMatchObject({ height: 48 });
  });

  test('what has no size (yet) is refused', () => {
    expect(() => pixelsOf({ width: 0, height: 0 }, input)).toThrow(UsageError);
    expect(() => pixelsOf({} as Picture, input)).toThrow(UsageError);
  });
});
