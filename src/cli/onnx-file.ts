/** ONNX files as commands take them: the model with what lies beside it, and what a byte of its image stands for. */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, relative, resolve, sep } from 'node:path';
import type { Command as Parser } from 'commander';
import type { OnnxModel } from '../formats/onnx-model.js';
import { decodeOnnx } from '../formats/onnx-reader.js';
import type { ImportOptions } from '../onnx/import/index.js';
import { FormatError, SubbitError, UsageError } from '../util/errors.js';
import { number } from './command.js';

export interface ImageNumberOptions {
  readonly step: number;
  readonly zero: string;
}

export function addImageNumberOptions(parser: Parser): Parser {
  return parser
    .option(
      '--step <real>',
      'what a byte of the image is for an ONNX model that takes real numbers: (byte - zero) * step',
      number('--step', 0),
      1 / 255,
    )
    .option('--zero <byte,...>', 'the byte that is 0, one or one per channel', checkedZeroPoints, '0');
}

function checkedZeroPoints(text: string): string {
  if (zeroPointsIn(text).every((point) => point >= 0 && point <= 255)) return text;
  throw new UsageError(`--zero takes numbers in 0..255, like 124,116,104, not '${text}'`);
}

const zeroPointsIn = (text: string): readonly number[] =>
  text.split(',').map((point) => (point.trim() === '' ? Number.NaN : Number(point)));

export const imageNumbers = ({ step, zero }: ImageNumberOptions): Required<ImportOptions> => ({
  step,
  zeroPoints: zeroPointsIn(zero),
});

/** What Node reads in one piece. */
const maxBytes = 2 ** 31 - 1;

/** Throws a UsageError where there is no file, a FormatError for what is no model, and a SubbitError for a file of 2 GiB. */
export function readOnnx(file: string): OnnxModel {
  const bytes = contentsOf(file);
  if (bytes === undefined) throw new UsageError(`there is no file '${file}'`);
  return decodeOnnx(bytes, { name: file, readExternal: filesBeside(file) });
}

/** Contents of files in the folder of the model `file`; the last one is kept, because one file holds many tensors. */
export function filesBeside(file: string): (location: string) => Uint8Array {
  let last: { readonly location: string; readonly bytes: Uint8Array } | undefined;
  return (location) => {
    if (last?.location !== location) last = { location, bytes: readBeside(file, location) };
    return last.bytes;
  };
}

/** Undefined where there is no file. */
function contentsOf(path: string): Uint8Array | undefined {
  if (!existsSync(path)) return undefined;
  const stats = statSync(path);
  if (!stats.isFile()) return undefined;
  if (stats.size > maxBytes)
    throw new SubbitError(
      `'${path}' has ${stats.size} bytes; ${maxBytes} are the most: keep the weights in several files beside the model`,
    );
  return readFileSync(path);
}

/** The contents of a file in the model's folder. Models may come from anywhere, so nothing else is opened for them. */
function readBeside(file: string, location: string): Uint8Array {
  const folder = realpathSync(dirname(file));
  const path = resolve(folder, location);
  const inside = existsSync(path) ? relative(folder, realpathSync(path)) : relative(folder, path);
  if (inside.startsWith(`..${sep}`) || inside === '..' || resolve(inside) === inside)
    throw new FormatError(`'${file}' cannot be read: it wants data from '${location}', outside of its folder`);
  const bytes = contentsOf(path);
  if (bytes === undefined)
    throw new FormatError(`'${file}' cannot be read: the file '${location}' with its data is missing`);
  return bytes;
}
