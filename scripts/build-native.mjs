/**
 * Builds build/native/subbit.node, the kernels as a Node-API addon for this machine, with nothing but a C++ compiler:
 *
 *     node scripts/build-native.mjs [--allow-missing] [--require-compiler] [--all-sets] [--sanitize]
 *
 * Kernels are compiled once for every instruction set that this machine has (--all-sets: that its architecture has, for a package to
 * be used on other machines); the best of them is chosen when the addon is opened. Without a compiler the WebAssembly build
 * serves, so that is no error unless --require-compiler says so.
 *
 * It is part of the published package, where the declarations of the ops are ready (build/generated) and no TypeScript is.
 *
 * --sanitize builds build/sanitize/native/subbit.node with the address and undefined-behaviour sanitizers. To run it:
 *
 *     SUBBIT_BUILD=build/sanitize ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$(g++ -print-file-name=libasan.so)" npx vitest run ..
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { allSetsOf, setsOfThisMachine } from './instruction-sets.mjs';
import {
  cleanCache,
  compilations,
  compileAll,
  fail,
  includeOptions,
  kernelFiles,
  linkTo,
  root,
} from './kernel-sources.mjs';
import { findNativeCompiler, runCompiler, sanitizers } from './native-compiler.mjs';

const isSanitized = process.argv.includes('--sanitize');
const isForOthers = process.argv.includes('--all-sets');
const folder = join(root, isSanitized ? 'build/sanitize/native' : isForOthers ? 'build/all-sets' : 'build/native');
const cache = join(folder, 'cache');
const ownOptions = isSanitized ? sanitizers : [];

const compiler = findNativeCompiler();
if (compiler === undefined) {
  if (process.env.CXX) fail(`the compiler CXX=${process.env.CXX} does not run`);
  console.error(
    'no C++ compiler found: the WebAssembly kernels will serve; for the faster native ones install g++ or clang++ (or set CXX) and run: npx subbit build-native',
  );
  process.exit(process.argv.includes('--require-compiler') ? 1 : 0);
}

/** All kernels and the table of them. */
async function kernelSources() {
  if (!existsSync(join(root, 'scripts/generate-ops-header.mjs')))
    return [...kernelFiles(), join(root, 'build/generated/ops-table.cc')];
  const { prepareSources } = await import('./generate-ops-header.mjs');
  return (await prepareSources()).full;
}

const sources = await kernelSources();
const isas = isForOthers ? allSetsOf(process.arch) : setsOfThisMachine();
const nodeHeaders = createRequire(import.meta.url)('node-api-headers').include_dir;
// GCC 12 warns of the vectors that its own headers leave undefined on purpose, and of functions of wide vectors, which here are all inlined.
const quiet = /clang/i.test(compiler.version) ? [] : ['-Wno-maybe-uninitialized', '-Wno-psabi'];
const options = ['-fPIC', ...quiet, ...ownOptions, ...includeOptions(root), `-I${nodeHeaders}`];

const objects = await compileAll({
  jobs: compilations({
    isas,
    sources,
    nativeSources: ['abi.cc', 'memory-native.cc', 'node.cc', 'pool.cc'],
    options,
  }),
  cache,
  compiler: `${compiler.name} ${compiler.version}`,
  concurrency: availableParallelism(),
  label: `native kernels (${Object.keys(isas).join(', ')})`,
  compile: (source, options, object) => runCompiler(compiler, [...options, '-c', source, '-o', object]),
});
const sharedOptions =
  process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared', '-pthread'];
const linkOptions = [...sharedOptions, ...ownOptions];
const linked = await linkTo({
  target: join(folder, 'subbit.node'),
  cache,
  objects,
  options: linkOptions,
  make: (file) => runCompiler(compiler, [...linkOptions, ...objects, '-o', file]),
});
cleanCache(cache, [...objects, linked]);
