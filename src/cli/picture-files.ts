/** The pictures that arguments of a command name: files, and folders for all pictures in them. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isPictureName } from '../data/picture-reader.js';
import { UsageError } from '../util/errors.js';

/** In the order of the arguments, those of a folder by name. Throws a UsageError for what is not there and a folder without pictures. */
export function pictureFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (!existsSync(path)) throw new UsageError(`there is no picture '${path}'`);
    if (!statSync(path).isDirectory()) return [path];
    const found = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter(isPictureName);
    if (found.length === 0) throw new UsageError(`'${path}' holds no pictures (PNG, JPEG, WebP, GIF, TIFF, AVIF)`);
    return found.sort().map((name) => join(path, name));
  });
}
