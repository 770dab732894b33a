/** The build of the native kernels as the command line uses it: scripts of the package that run without anything but Node. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../backends/built-file.js';
import { SubbitError } from '../util/errors.js';

const scriptFile = (name: string): string => join(packageRoot(), 'scripts', name);

/** Compiles them for this machine; what the compiler says goes to standard error. Throws a SubbitError when that fails. */
export function buildNative(): void {
  const { status } = spawnSync(process.execPath, [scriptFile('build-native.mjs'), '--require-compiler'], {
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new SubbitError('the native kernels were not built (the reason stands above)');
}

/** The first line that the system's C++ compiler says of itself; undefined where there is none. */
export async function compilerVersion(): Promise<string | undefined> {
  const { findNativeCompiler } = (await import(pathToFileURL(scriptFile('native-compiler.mjs')).href)) as {
    findNativeCompiler(): { version: string } | undefined;
  };
  return findNativeCompiler()?.version.split('\n')[0];
}

/** The instruction sets that the kernels are written for and this processor has, the best first. */
export async function processorIsas(): Promise<readonly string[]> {
  const { setsOfThisMachine } = (await import(pathToFileURL(scriptFile('instruction-sets.mjs')).href)) as {
    setsOfThisMachine(): Record<string, unknown>;
  };
  return Object.keys(setsOfThisMachine());
}
