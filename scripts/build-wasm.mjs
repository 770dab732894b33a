/**
 * Builds the same kernels as WebAssembly modules, for browsers and for Node without the native addon, with the Clang that
 * comes from npm (wasm-tool.mjs): no system compiler is needed.
 *
 *     node scripts/build-wasm.mjs [--allow-missing]
 *
 *     build/wasm/   subbit.wasm    subbit-relaxed.wasm    all ops
 *                   runtime.wasm   runtime-relaxed.wasm   the inference runtime's ops
 *                   subbit-single.wasm, ...               the same four for one thread
 *
 * `relaxed` modules are for engines with relaxed SIMD. `single` ones have plain memory and no atomic instructions, for pages that
 * may not share memory; their kernels are the same objects. A module uses no library at all (native/kernel.h). Its memory is
 * imported; where it is shared, every thread is an instance of the module over the same memory, with a stack of its own
 * (src/backends/wasm.ts).
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { Worker } from 'node:worker_threads';
import { prepareSources } from './generate-ops-header.mjs';
import {
  cleanCache,
  compilations,
  compileAll,
  fail,
  includeOptions,
  linkTo,
  mayFuse,
  root,
  withHeaders,
} from './kernel-sources.mjs';

const folder = join(root, 'build/wasm');
const cache = join(folder, 'cache');

const compileOptions = [
  '--target=wasm32-unknown-unknown',
  // The package brings headers of a C library that the module does not have.
  '-nostdlibinc',
  '-nostdinc++',
  '-matomics',
  '-mbulk-memory',
  '-mmutable-globals',
  ...includeOptions('.'),
  ...['-iquote', '.'],
];

/** initial-memory and max-memory as in src/backends/wasm.ts. */
const linkOptions = [
  '--no-entry',
  '--export-dynamic',
  '--import-memory',
  `--initial-memory=${4 << 20}`,
  `--max-memory=${2 ** 32}`,
  // The main thread's stack lies below everything else, so that an overflow traps.
  '--stack-first',
  '-z',
  `stack-size=${1 << 20}`,
];

const threaded = {
  nativeSources: ['abi.cc', 'memory-wasm.cc', 'pool.cc'],
  linkOptions: [...linkOptions, '--shared-memory', '--export=__stack_pointer'],
};
// Pages download the runtime's modules, so they go without the functions' names.
const runtime = { ...threaded, linkOptions: [...threaded.linkOptions, '--strip-all'] };
const single = {
  nativeSources: ['abi.cc', 'memory-wasm.cc', 'pool-single.cc'],
  nativeOptions: ['-mno-atomics'],
  linkOptions: [...linkOptions, '--strip-all'],
};
const sets = [
  { suffix: '', isas: { simd128: ['-msimd128'] } },
  { suffix: '-relaxed', isas: { relaxed: ['-msimd128'] }, sourceOptions: relaxedOptions },
];

/**
 * For kernels that may fuse multiplication and addition, and those that ask for relaxed SIMD (`__wasm_relaxed_simd__`). All others
 * are as in simd128: the relaxed minimum and maximum, which the compiler would take for `x < y ? x : y`, lose NaNs.
 */
function relaxedOptions(source) {
  const asks = () => withHeaders(source).some((file) => readFileSync(file, 'utf8').includes('__wasm_relaxed_simd__'));
  return mayFuse(source) || asks() ? ['-mrelaxed-simd'] : [];
}

const sources = await prepareSources();
const modules = sets
  .flatMap(({ suffix, ...set }) => [
    { file: `subbit${suffix}.wasm`, ...set, sources: sources.full, ...threaded },
    { file: `subbit-single${suffix}.wasm`, ...set, sources: sources.full, ...single },
    { file: `runtime${suffix}.wasm`, ...set, sources: sources.runtime, ...runtime },
    { file: `runtime-single${suffix}.wasm`, ...set, sources: sources.runtime, ...single },
  ])
  .map((module) => ({ ...module, jobs: compilations({ ...module, options: compileOptions }) }));

/** One compiler per core, as far as there is memory: each takes some 400 MB. */
const concurrency = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / 500e6), 4));
const idleTools = [];

/** Runs a tool on files in memory and returns what it wrote to `output`; an error ends the build. */
async function run(tool, args, files, output) {
  const worker = idleTools.pop() ?? new Worker(new URL('./wasm-tool.mjs', import.meta.url));
  worker.postMessage({ tool, args, files, output });
  const [{ bytes, diagnostics }] = await once(worker, 'message');
  idleTools.push(worker);
  if (bytes === undefined) return fail(diagnostics);
  if (diagnostics !== '') console.error(diagnostics);
  return bytes;
}

/** A source as the tools can read it: in their file system `..` does not lead anywhere, so such includes start at the root. */
function withoutParents(path) {
  const fromRoot = (name) => relative(root, join(dirname(path), name)).replaceAll('\\', '/');
  const text = readFileSync(path, 'utf8');
  return text.replaceAll(/^#include "(\.\.\/.+)"$/gm, (_, name) => `#include "${fromRoot(name)}"`);
}

/** Files as the tools want them: nested folders of contents. */
function treeOf(paths) {
  const tree = {};
  for (const path of paths) {
    const parts = relative(root, path).split(/[\\/]/);
    const name = parts.pop();
    let folder = tree;
    for (const part of parts) folder = folder[part] ??= {};
    folder[name] = withoutParents(path);
  }
  return tree;
}

const objects = await compileAll({
  jobs: modules.flatMap(({ jobs }) => jobs),
  cache,
  compiler: readFileSync(join(root, 'node_modules/@yowasp/clang/package.json'), 'utf8'),
  concurrency,
  label: 'WebAssembly kernels',
  compile: async (source, options, object) => {
    const path = relative(root, source).replaceAll('\\', '/');
    writeFileSync(object, await run('clang++', [...options, '-c', path], treeOf(withHeaders(source)), 'object.o'));
  },
});
const linked = [];
let first = 0;
for (const { file, jobs, linkOptions } of modules) {
  const own = objects.slice(first, first + jobs.length);
  first += jobs.length;
  const make = async (path) => {
    const inputs = Object.fromEntries(own.map((object, i) => [`${i}.o`, readFileSync(object)]));
    writeFileSync(path, await run('wasm-ld', [...linkOptions, ...Object.keys(inputs)], inputs, 'module.wasm'));
  };
  linked.push(await linkTo({ target: join(folder, file), cache, objects: own, options: linkOptions, make }));
}
cleanCache(cache, [...objects, ...linked]);
await Promise.all(idleTools.map((worker) => worker.terminate()));
