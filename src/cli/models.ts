/** Reading `.subbit` files for commands. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { type DecodedFile, decodeSubbit } from '../formats/subbit.js';
import { UsageError } from '../util/errors.js';

/** Whether an argument that may be a run or a model is a model. */
export function isModelFile(path: string): boolean {
  return path.endsWith('.subbit') || (existsSync(path) && statSync(path).isFile());
}

/** The network of a file, checked. Throws a UsageError where there is none, a FormatError for what is no model. */
export function readModel(path: string): DecodedFile {
  if (!existsSync(path))
    throw new UsageError(`there is no model '${path}'; make one with: subbit export RUN --format subbit --out ${path}`);
  if (statSync(path).isDirectory()) {
    throw new UsageError(
      `'${path}' is a folder; make a model of a run with: subbit export ${path} --format subbit --out FILE`,
    );
  }
  return decodeSubbit(readFileSync(path), path);
}
