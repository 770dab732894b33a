/** Optional packages: what they are for, and where they are found. They are installed by the user and loaded when a command needs them. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../backends/built-file.js';

export interface OptionalPackage {
  readonly name: string;
  readonly purpose: string;
  /** The command that installs it. */
  readonly install: string;
}

const installRuntime = 'ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node onnxruntime-web';

export const optionalPackages: readonly OptionalPackage[] = [
  { name: 'sharp', purpose: 'reads pictures (PNG, JPEG, ...)', install: 'npm install sharp' },
  {
    name: 'typescript',
    purpose: 'reads .ts models, and .ts files of options before Node 22.18',
    install: 'npm install typescript',
  },
  { name: 'webgpu', purpose: 'kernels on a GPU: --backend webgpu', install: 'npm install webgpu' },
  { name: 'onnxruntime-node', purpose: 'a peer of bench: --peers ort', install: installRuntime },
  { name: 'onnxruntime-web', purpose: 'a peer of bench: --peers ort-web', install: installRuntime },
];

/** Where `require` starts to look: in `folder`, or in the working directory and then where subbit is installed. */
function startsOf(folder: string | undefined): NodeJS.Require[] {
  if (folder !== undefined) return [createRequire(pathToFileURL(join(folder, 'x')).href)];
  return [createRequire(pathToFileURL(join(process.cwd(), 'x')).href), createRequire(import.meta.url)];
}

/** The file that `require(name)` would load; undefined when the package is not installed. */
export function findPackage(name: string, folder?: string): string | undefined {
  for (const require of startsOf(folder)) {
    try {
      return require.resolve(name);
    } catch {}
  }
  return undefined;
}

/** Of an installed package; undefined when it is not. */
export function packageVersion(name: string): string | undefined {
  const folders = startsOf(undefined).flatMap((require) => require.resolve.paths(name) ?? []);
  const file = folders.map((folder) => join(folder, name, 'package.json')).find((path) => existsSync(path));
  return file === undefined ? undefined : versionIn(file);
}

/** Of subbit itself. */
export function ownVersion(): string {
  return versionIn(join(packageRoot(), 'package.json'));
}

function versionIn(file: string): string {
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
