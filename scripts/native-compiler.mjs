/** The system's C++ compiler, for build-native.mjs, check-kernels.mjs and `subbit doctor`. */
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { fail } from './kernel-sources.mjs';

/** Of builds that look for memory errors and undefined behaviour. */
export const sanitizers = ['-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

/** The first of these commands that works, and what it says of itself; undefined when there is none. */
export function findCompiler(names) {
  for (const name of names) {
    const { status, stdout } = spawnSync(name, ['--version'], { encoding: 'utf8' });
    if (status === 0) return { name, version: stdout };
  }
  return undefined;
}

/** The compiler of this machine, CXX when that is set; undefined when it does not run or there is none. */
export const findNativeCompiler = () => findCompiler(process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']);

const run = promisify(execFile);

/** Runs a compiler; its warnings are shown, an error ends the build. */
export async function runCompiler(compiler, args) {
  try {
    const { stderr } = await run(compiler.name, args);
    if (stderr !== '') console.error(stderr.trimEnd());
  } catch (error) {
    fail(error.stderr || String(error));
  }
}
