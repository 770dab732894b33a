/**
 * Checks the C++ kernels without Node, with native/test-kernels.cc on the reference's cases (write-cases.mjs):
 *
 *     node scripts/check-kernels.mjs [--target native|arm64] [--sanitize] [--all]
 *
 *     --target arm64   cross-compiled, run by an emulator: NEON with and without dot products, plain code
 *     --sanitize       with the address and undefined-behaviour sanitizers
 *     --all            the training ops, too; without it those of the inference runtime
 *
 * Exit status: 1 when a case fails, 2 when a tool is missing.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { prepareSources } from './generate-ops-header.mjs';
import { allSetsOf, setsOfThisMachine } from './instruction-sets.mjs';
import { cleanCache, compilations, compileAll, fail, includeOptions, linkTo, root } from './kernel-sources.mjs';
import { findCompiler, findNativeCompiler, runCompiler, sanitizers } from './native-compiler.mjs';
import { writeCases } from './write-cases.mjs';

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: 'native' },
    sanitize: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    'allow-missing': { type: 'boolean' },
  },
});

/** `emulator`: the command that runs a program of the target. */
const targets = {
  native: { compiler: findNativeCompiler, isas: setsOfThisMachine, linkOptions: [], emulator: [] },
  arm64: {
    compiler: () => findCompiler(['aarch64-linux-gnu-g++']),
    isas: () => allSetsOf('arm64'),
    linkOptions: ['-static'],
    emulator: ['qemu-aarch64', '-cpu', 'max'],
  },
};
const target = targets[values.target];
if (target === undefined) fail(`unknown target '${values.target}' (known: ${Object.keys(targets).join(', ')})`);

const compiler = target.compiler();
const hasEmulator = target.emulator.length === 0 || findCompiler([target.emulator[0]]) !== undefined;
if (compiler === undefined || !hasEmulator) {
  const packages = values.target === 'arm64' ? 'g++-aarch64-linux-gnu qemu-user' : 'g++';
  console.error(`the kernels were NOT checked: a tool is missing; on Debian or Ubuntu: apt-get install ${packages}`);
  process.exit(2);
}

const sources = await prepareSources();
const isas = target.isas();
const ownOptions = values.sanitize ? sanitizers : [];
const folder = join(root, 'build/check', values.sanitize ? `${values.target}-sanitize` : values.target);
const cache = join(folder, 'cache');
const jobs = compilations({
  isas,
  sources: values.all ? sources.full : sources.runtime,
  nativeSources: ['abi.cc', 'memory-native.cc', 'pool.cc', 'test-kernels.cc'],
  options: [...ownOptions, ...includeOptions(root)],
});
const objects = await compileAll({
  jobs,
  cache,
  compiler: `${compiler.name} ${compiler.version}`,
  concurrency: availableParallelism(),
  label: `kernel check (${values.target}: ${Object.keys(isas).join(', ')})`,
  compile: (source, options, object) => runCompiler(compiler, [...options, '-c', source, '-o', object]),
});
const linkOptions = ['-pthread', ...target.linkOptions, ...ownOptions];
const program = join(folder, 'test-kernels');
const linked = await linkTo({
  target: program,
  cache,
  objects,
  options: linkOptions,
  make: (file) => runCompiler(compiler, [...linkOptions, ...objects, '-o', file]),
});
cleanCache(cache, [...objects, linked]);

const files = await writeCases({ all: values.all });
const [command, ...args] = [...target.emulator, program, ...files.map((file) => relative(root, file))];
const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
if (error) fail(`cannot run ${command}: ${error.message}`);
if (signal) console.error(`${relative(root, program)} was ended by ${signal}`);
process.exit(status ?? 1);
