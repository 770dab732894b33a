/** Reading pictures (PNG, JPEG and whatever else sharp reads), with the optional package sharp. */
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import type { ImageShape } from '../image/shape.js';
import { FormatError, SubbitError, UsageError } from '../util/errors.js';

export interface Picture extends ImageShape {
  /** [height, width, channels] */
  readonly data: Uint8Array;
}

const extensions: ReadonlySet<string> = new Set(['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif']);

/** Whether a file is a picture, by its name. */
export function isPictureName(name: string): boolean {
  return extensions.has(extname(name).toLowerCase());
}

/** Reads a picture: a file, or the bytes of one. `name` is what errors call it. @default the file */
export type PictureReader = (picture: string | Uint8Array, name?: string) => Promise<Picture>;

interface Decoded {
  readonly data: Uint8Array;
  readonly info: ImageShape;
}

/** What is used of sharp. */
interface Sharp {
  rotate(): Sharp;
  toColourspace(space: string): Sharp;
  raw(): Sharp;
  toBuffer(options: { resolveWithObject: true }): Promise<Decoded>;
}

type Open = (picture: string | Uint8Array, options: { limitInputPixels: number }) => Sharp;

/** More pixels than cameras have. A small file can claim many more, which would take all memory. */
const mostPixels = 2 ** 27;

/** A function that reads one picture. Throws a SubbitError that says what to install when sharp is missing. */
export async function openPictureReader(load: () => Promise<unknown> = loadSharp): Promise<PictureReader> {
  let open: Open;
  try {
    open = ((await load()) as { default: Open }).default;
  } catch {
    throw new SubbitError('reading pictures needs the optional package sharp; run: npm install sharp');
  }
  return (picture, name) => readPicture(open, picture, name ?? String(picture));
}

// The name in a variable: the package need not be there when subbit is compiled.
function loadSharp(): Promise<unknown> {
  const name = 'sharp';
  return import(name);
}

async function readPicture(open: Open, picture: string | Uint8Array, name: string): Promise<Picture> {
  if (typeof picture === 'string' && !existsSync(picture)) throw new UsageError(`there is no picture '${picture}'`);
  try {
    // Turned as the camera says, 8-bit grey or RGB, alpha kept: the network's input says what becomes of it.
    const { data, info } = await open(picture, { limitInputPixels: mostPixels })
      .rotate()
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    const { height, width, channels } = info;
    return { data, height, width, channels };
  } catch (error) {
    throw new FormatError(`cannot read '${name}': ${(error as Error).message.split('\n')[0]}`, { cause: error });
  }
}
