/**
 * Where the build scripts put their files: build/ in the package's folder, seen from src/ as well as from dist/. Developers
 * set SUBBIT_BUILD to use another folder (build/sanitize).
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** The path of a built file, or undefined when it has not been built. */
export function builtFile(name: string): string | undefined {
  const file = join(packageRoot(), process.env.SUBBIT_BUILD ?? 'build', name);
  return existsSync(file) ? file : undefined;
}
