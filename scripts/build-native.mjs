/**
 * Builds build/native/subbit.node, the kernels as a Node-API addon for this machine, with nothing but a C++ compiler:
 *
 *     node scripts/build-native.mjs [--allow-missing] [--sanitize]
 *
 * Kernels are compiled once for every instruction set that this machine has; the best of them is chosen when the addon is
 * opened. Without a compiler the WebAssembly build serves, so that is no error.
 *
 * --sanitize builds build/sanitize/native/subbit.node with the address and undefined-behaviour sanitizers. To run it:
 *
 *     SUBBIT_BUILD=build/sanitize ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$(g++ -print-file-name=libasan.so)" npx vitest run ..
 */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { prepareSources } from './generate-ops-header.mjs';
import { setsOfThisMachine } from './instruction-sets.mjs';
import { cleanCache, compilations, compileAll, includeOptions, linkTo, root } from './kernel-sources.mjs';
import { findNativeCompiler, runCompiler, sanitizers } from './native-compiler.mjs';

const isSanitized = process.argv.includes('--sanitize');
const folder = join(root, isSanitized ? 'build/sanitize/native' : 'build/native');
const cache = join(folder, 'cache');
const ownOptions = isSanitized ? sanitizers : [];

const compiler = findNativeCompiler();
if (compiler === undefined) {
  console.error(
    'no C++ compiler found: the WebAssembly kernels will serve; for the faster native ones install g++ or clang++ (or set CXX) and run npm run build',
  );
  process.exit(0);
}

const sources = await prepareSources();
const isas = setsOfThisMachine();
const nodeHeaders = createRequire(import.meta.url)('node-api-headers').include_dir;
const options = ['-fPIC', ...ownOptions, ...includeOptions(root), `-I${nodeHeaders}`];

const objects = await compileAll({
  jobs: compilations({
    isas,
    sources: sources.full,
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
