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
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { compilations, compileAll, fail, includeOptions, linkTo, prepareHeader, root } from './kernel-sources.mjs';

const isSanitized = process.argv.includes('--sanitize');
const folder = join(root, isSanitized ? 'build/sanitize/native' : 'build/native');
const sanitizers = isSanitized ? ['-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'] : [];

/** Instruction sets of x86-64, the best first: what the processor must have (names as in /proc/cpuinfo), compiler options. */
const x86Sets = {
  avx512: {
    needs: 'avx512f avx512bw avx512vl avx512dq avx512vbmi avx512_vnni avx512_bitalg avx512_vpopcntdq avx2 fma',
    options: [
      ...['f', 'bw', 'vl', 'dq', 'vbmi', 'vnni', 'bitalg', 'vpopcntdq'].map((name) => `-mavx512${name}`),
      '-mavx2',
      '-mfma',
      '-mprefer-vector-width=512',
    ],
  },
  avx2: { needs: 'avx2 fma', options: ['-mavx2', '-mfma', '-mpopcnt'] },
};

/** What the processor has, in the words of /proc/cpuinfo. */
function processorFeatures() {
  if (process.platform === 'linux') {
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
    return new Set(flags?.[1].trim().split(/\s+/));
  }
  if (process.platform === 'darwin') {
    const { stdout } = spawnSync('sysctl', ['-n', 'machdep.cpu.features', 'machdep.cpu.leaf7_features'], {
      encoding: 'utf8',
    });
    const linuxName = (name) => name.toLowerCase().replace(/^avx512(vnni|bitalg|vpopcntdq)$/, 'avx512_$1');
    return new Set(stdout.split(/\s+/).map(linuxName));
  }
  return new Set();
}

function instructionSets() {
  if (process.arch === 'arm64') return { neon: [], portable: [] };
  const has = process.arch === 'x64' ? processorFeatures() : new Set();
  const sets = Object.entries(x86Sets).filter(([, { needs }]) => needs.split(' ').every((name) => has.has(name)));
  return { ...Object.fromEntries(sets.map(([isa, { options }]) => [isa, options])), portable: [] };
}

/** The first compiler that works, and what it says of itself. */
function findCompiler() {
  const names = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  for (const name of names) {
    const { status, stdout } = spawnSync(name, ['--version'], { encoding: 'utf8' });
    if (status === 0) return { name, version: stdout };
  }
  if (process.env.CXX) fail(`the compiler CXX=${process.env.CXX} does not run`);
  return undefined;
}

const compiler = findCompiler();
if (compiler === undefined) {
  console.error(
    'no C++ compiler found: the WebAssembly kernels will serve; for the faster native ones install g++ or clang++ (or set CXX) and run npm run build',
  );
  process.exit(0);
}

await prepareHeader();
const isas = instructionSets();
const nodeHeaders = createRequire(import.meta.url)('node-api-headers').include_dir;
const options = ['-fPIC', ...sanitizers, ...includeOptions(root), `-I${nodeHeaders}`];
const run = promisify(execFile);

/** Runs the compiler; its warnings are shown, an error ends the build. */
async function compile(args) {
  try {
    const { stderr } = await run(compiler.name, args);
    if (stderr !== '') console.error(stderr.trimEnd());
  } catch (error) {
    fail(error.stderr || String(error));
  }
}

const objects = await compileAll({
  jobs: compilations({ isas, nativeSources: ['abi.cc', 'memory-native.cc', 'node.cc', 'pool.cc'], options }),
  cache: join(folder, 'cache'),
  compiler: `${compiler.name} ${compiler.version}`,
  concurrency: availableParallelism(),
  label: `native kernels (${Object.keys(isas).join(', ')})`,
  compile: (source, options, object) => compile([...options, '-c', source, '-o', object]),
});
const sharedOptions =
  process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared', '-pthread'];
const linkOptions = [...sharedOptions, ...sanitizers];
await linkTo({
  target: join(folder, 'subbit.node'),
  cache: join(folder, 'cache'),
  objects,
  options: linkOptions,
  make: (file) => compile([...linkOptions, ...objects, '-o', file]),
});
