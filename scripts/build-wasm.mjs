/**
 * Builds build/wasm/subbit.wasm, the same kernels for browsers and for Node without the native addon, with the Clang that
 * comes from npm (@yowasp/clang, itself WebAssembly): no system compiler is needed.
 *
 *     node scripts/build-wasm.mjs [--allow-missing]
 *
 * The module uses no library at all (native/kernel.h). Its memory is imported and shared: every thread is an instance of
 * the module over the same memory, with a stack of its own (src/backends/wasm.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  compilations,
  compileAll,
  fail,
  headers,
  includeOptions,
  linkTo,
  prepareHeader,
  root,
} from './kernel-sources.mjs';

const target = join(root, 'build/wasm/subbit.wasm');
const cache = join(root, 'build/wasm/cache');

const compileOptions = [
  '--target=wasm32-unknown-unknown',
  // The package brings headers of a C library that the module does not have.
  '-nostdlibinc',
  '-nostdinc++',
  '-matomics',
  '-mbulk-memory',
  '-mmutable-globals',
  ...includeOptions('.'),
];

/** initial-memory and max-memory as in src/backends/wasm.ts. */
const linkOptions = [
  '--no-entry',
  '--export-dynamic',
  '--export=__stack_pointer',
  '--import-memory',
  '--shared-memory',
  `--initial-memory=${4 << 20}`,
  `--max-memory=${2 ** 32}`,
  // The main thread's stack lies below everything else, so that an overflow traps.
  '--stack-first',
  '-z',
  `stack-size=${1 << 20}`,
];

/** The package's tools, loaded (100 MB) when there is something to compile. */
async function loadTools() {
  const { commands, runLLVM } = await import('@yowasp/clang');
  // Without arguments it only fetches its files, and without a progress function it would report that on stdout.
  await runLLVM(null, {}, { fetchProgress() {} });
  return commands;
}
let tools;

/** Runs a tool of the package on files in memory and returns what it wrote to `output`; an error ends the build. */
async function run(tool, args, files, output) {
  const diagnostics = [];
  const collect = (bytes) => bytes && diagnostics.push(Buffer.from(bytes));
  tools ??= loadTools();
  const commands = await tools;
  try {
    const written = await commands[tool]([...args, '-o', output], files, { stderr: collect });
    if (diagnostics.length > 0) console.error(Buffer.concat(diagnostics).toString().trimEnd());
    return written[output];
  } catch (error) {
    return fail(Buffer.concat(diagnostics).toString() || String(error));
  }
}

/** Files as the package wants them: nested folders of contents. */
function treeOf(paths) {
  const tree = {};
  for (const path of paths) {
    const parts = relative(root, path).split(/[\\/]/);
    const name = parts.pop();
    let folder = tree;
    for (const part of parts) folder = folder[part] ??= {};
    folder[name] = readFileSync(path);
  }
  return tree;
}

await prepareHeader();
const objects = await compileAll({
  jobs: compilations({
    isas: { simd128: ['-msimd128'] },
    nativeSources: ['abi.cc', 'memory-wasm.cc', 'pool.cc'],
    options: compileOptions,
  }),
  cache,
  compiler: readFileSync(join(root, 'node_modules/@yowasp/clang/package.json'), 'utf8'),
  // The compiler runs in this process, one file after another.
  concurrency: 1,
  label: 'WebAssembly kernels',
  compile: async (source, options, object) => {
    const path = relative(root, source).replaceAll('\\', '/');
    writeFileSync(object, await run('clang++', [...options, '-c', path], treeOf([source, ...headers()]), 'object.o'));
  },
});
await linkTo({
  target,
  cache,
  objects,
  options: linkOptions,
  make: async (file) => {
    const inputs = Object.fromEntries(objects.map((object, i) => [`${i}.o`, readFileSync(object)]));
    writeFileSync(file, await run('wasm-ld', [...linkOptions, ...Object.keys(inputs)], inputs, 'subbit.wasm'));
  },
});
