/** ONNX files as commands take them: the model with what lies beside it, and what a byte of its image stands for. */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, relative, resolve, sep } from 'node:path';
import type { Command as Parser } from 'commander';
import type { OnnxModel } from '../formats/onnx-model.js';
import { decodeOnnx } from '../formats/onnx-reader.js';
import type { ImportOptions } from '../onnx/import/index.js';
import { FormatError, UsageError } from '../util/errors.js';
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

/** Throws a UsageError where there is no file, and a FormatError for what is no model. */
export function readOnnx(file: string): OnnxModel {
  if (!existsSync(file) || !statSync(file).isFile()) throw new UsageError(`there is no file '${file}'`);
  return decodeOnnx(readFileSync(file), { name: file, readExternal: (location) => readBeside(file, location) });
}

/** The contents of a file in the model's folder. Models may come from anywhere, so nothing else is opened for them. */
function readBeside(file: string, location: string): Uint8Array {
  const folder = realpathSync(dirname(file));
  const path = resolve(folder, location);
  const inside = existsSync(path) ? relative(folder, realpathSync(path)) : relative(folder, path);
  if (inside.startsWith(`..${sep}`) || inside === '..' || resolve(inside) === inside)
    throw new FormatError(`'${file}' cannot be read: it wants data from '${location}', outside of its folder`);
  if (!existsSync(path) || !statSync(path).isFile())
    throw new FormatError(`'${file}' cannot be read: the file '${location}' with its data is missing`);
  return readFileSync(path);
}
