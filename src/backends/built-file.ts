/**
 * Where the build scripts put their files: build/ in the package's folder, seen from src/ as well as from dist/. The published
 * package has its WebAssembly modules in dist/ instead, beside the code that browsers fetch them for. Developers set SUBBIT_BUILD to
 * use another folder (build/sanitize).
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the package, or of the clone. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** The path of a built file, or undefined when it has not been built. */
export function builtFile(name: string): string | undefined {
  const root = packageRoot();
  const places = [join(root, process.env.SUBBIT_BUILD ?? 'build', name), join(root, 'dist', basename(name))];
  return places.find((file) => existsSync(file));
}
