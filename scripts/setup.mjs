/**
 * Everything a fresh clone needs before the first command: dependencies, the compiled TypeScript, the native kernels (when
 * there is a C++ compiler) and the WebAssembly ones. What is up to date is left alone. Plain Node without dependencies,
 * because it installs them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command in the project's root with its output on standard error; ends this process when it fails. */
export function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) console.error(`cannot run ${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

/** Runs a command of a dependency with this Node. */
export function runTool(path, args) {
  run(process.execPath, [join(root, 'node_modules', path), ...args]);
}

export function setUp() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(join(root, 'package-lock.json')).mtimeMs) {
    console.error('setting up: dependencies');
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  }
  run(process.execPath, [join(root, 'scripts', 'build-native.mjs')]);
  run(process.execPath, [join(root, 'scripts', 'build-wasm.mjs')]);
  // After the kernels, of which it copies some beside the browser's runtime.
  console.error('setting up: TypeScript');
  runTool('tsdown/dist/run.mjs', ['--log-level', 'warn']);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setUp();
