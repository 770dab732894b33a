/** Reading pictures (PNG, JPEG and whatever else sharp reads), with the optional package sharp. */
import { existsSync } from 'node:fs';
import type { ImageShape } from '../image/shape.js';
import { FormatError, SubbitError, UsageError } from '../util/errors.js';

export interface Picture extends ImageShape {
  /** [height, width, channels] */
  readonly data: Uint8Array;
}

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

type Open = (file: string) => Sharp;

/** A function that reads one file. Throws a SubbitError that says what to install when sharp is missing. */
export async function openPictureReader(
  load: () => Promise<unknown> = loadSharp,
): Promise<(file: string) => Promise<Picture>> {
  let open: Open;
  try {
    open = ((await load()) as { default: Open }).default;
  } catch {
    throw new SubbitError('reading pictures needs the optional package sharp; run: npm install sharp');
  }
  return (file) => readPicture(open, file);
}

// The name in a variable: the package is not there when subbit is compiled.
function loadSharp(): Promise<unknown> {
  const name = 'sharp';
  return import(name);
}

async function readPicture(open: Open, file: string): Promise<Picture> {
  if (!existsSync(file)) throw new UsageError(`there is no picture '${file}'`);
  try {
    // Turned as the camera says, 8-bit grey or RGB, alpha kept: the network's input says what becomes of it.
    const { data, info } = await open(file).rotate().toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
    const { height, width, channels } = info;
    return { data, height, width, channels };
  } catch (error) {
    throw new FormatError(`cannot read '${file}': ${(error as Error).message.split('\n')[0]}`, { cause: error });
  }
}
