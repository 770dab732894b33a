/**
 * What the two builds of the C++ kernels (build-native.mjs, build-wasm.mjs) share: which files there are, which options
 * they want, and a cache of objects named by the hash of everything that goes into them.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateOpsHeader } from './generate-ops-header.mjs';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

function filesUnder(folder, extension) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(extension))
    .sort()
    .map((name) => join(root, folder, name));
}

/** The kernels themselves. */
export const kernelSources = () => filesUnder('src/ops', '.cc');

/** Every header that a source may include. */
export const headers = () => [
  ...filesUnder('native', '.h'),
  ...filesUnder('src/ops', '.h'),
  join(root, 'build/generated/ops.h'),
];

/** -iquote: found by #include "x.h" only, because native/ has names (math.h, memory.h) that the C library has too. */
export const includeOptions = (base) =>
  ['native', 'build/generated'].flatMap((folder) => ['-iquote', `${base}/${folder}`]);

/**
 * Options for every target. Elementwise arithmetic is bit-identical to the TypeScript reference, so nothing may be fused
 * or reordered; no-trapping-math and no-math-errno change no value and let loops with conditions and roots vectorise.
 */
export const commonOptions = [
  '-std=c++17',
  '-O3',
  '-ffp-contract=off',
  '-fno-trapping-math',
  '-fno-math-errno',
  '-fno-exceptions',
  '-fno-rtti',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  // What a designated initializer leaves out is zero, on purpose.
  '-Wno-missing-field-initializers',
];

/** A source that begins with this line may use fused multiply-add: its sums are compared with a tolerance anyway. */
const contractMarker = '// build: fp-contract=fast\n';

const ownOptions = (source) => (readFileSync(source, 'utf8').startsWith(contractMarker) ? ['-ffp-contract=fast'] : []);

/**
 * Every compilation of a build: kernels once per instruction set, the files of native/ once. `isas` maps the sets' names,
 * the best first, to their options.
 */
export function compilations({ isas, nativeSources, options }) {
  const eachIsa = Object.keys(isas)
    .map((isa) => `X(${isa})`)
    .join(' ');
  const perIsa = [...kernelSources(), join(root, 'build/generated/ops-table.cc')];
  return [
    ...nativeSources.map((name) => ({
      source: join(root, 'native', name),
      options: [...commonOptions, ...options, `-DSUBBIT_EACH_ISA(X)=${eachIsa}`],
    })),
    ...Object.entries(isas).flatMap(([isa, isaOptions]) =>
      perIsa.map((source) => ({
        source,
        options: [...commonOptions, ...options, ...isaOptions, `-DSUBBIT_ISA=${isa}`, ...ownOptions(source)],
      })),
    ),
  ];
}

export function hashOf(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex').slice(0, 32);
}

/**
 * Compiles what the cache does not hold, `concurrency` files at a time, and returns the objects in order. `compiler` is
 * text that changes with the compiler; `compile(source, options, object)` writes one object, or throws.
 */
export async function compileAll({ jobs, cache, compiler, concurrency, label, compile }) {
  mkdirSync(cache, { recursive: true });
  const headerHash = hashOf(headers().flatMap((file) => [relative(root, file), readFileSync(file)]));
  const planned = jobs.map((job) => {
    const hash = hashOf([compiler, headerHash, relative(root, job.source), readFileSync(job.source), ...job.options]);
    return { ...job, object: join(cache, `${basename(job.source, '.cc')}-${hash}.o`) };
  });
  const waiting = planned.filter((job) => !existsSync(job.object));
  const total = waiting.length;
  let done = 0;
  const work = async () => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      const temporary = `${job.object}.${process.pid}`;
      await compile(job.source, job.options, temporary);
      renameSync(temporary, job.object);
      done++;
      if (process.stderr.isTTY)
        process.stderr.write(`\r${label}: ${done} of ${total} files${done === total ? '\n' : ''}`);
    }
  };
  if (total > 0 && !process.stderr.isTTY) console.error(`${label}: compiling ${total} of ${planned.length} files`);
  await Promise.all(Array.from({ length: concurrency }, work));
  return planned.map((job) => job.object);
}

/** The cache keeps what nobody needs any more for this long: other branches, other compilers. */
const cacheDays = 7;

/** `make(file)` writes the linked file unless the cache has it; `target` becomes a copy. */
export async function linkTo({ target, cache, objects, options, make }) {
  const linked = join(cache, `${basename(target)}-${hashOf([...objects.map((file) => basename(file)), ...options])}`);
  if (!existsSync(linked)) {
    await make(`${linked}.${process.pid}`);
    renameSync(`${linked}.${process.pid}`, linked);
  }
  replaceFile(target, readFileSync(linked));
  const kept = new Set([...objects, linked]);
  const oldest = Date.now() - cacheDays * 24 * 3600 * 1000;
  for (const file of readdirSync(cache).map((name) => join(cache, name))) {
    if (!kept.has(file) && statSync(file).mtimeMs < oldest) rmSync(file);
  }
}

/** Writes the generated sources. An op without a kernel ends the build, unless --allow-missing lets it be a line. */
export async function prepareHeader() {
  const missing = await generateOpsHeader();
  if (missing.length === 0) return;
  const message = `ops without a C++ kernel: ${missing.join(', ')}`;
  if (!process.argv.includes('--allow-missing')) fail(`${message} (write src/ops/.../*.cc, or pass --allow-missing)`);
  console.error(message);
}

/** Writes beside and renames, so that nobody ever reads half a file. Leaves an equal file alone. */
export function replaceFile(file, contents) {
  if (existsSync(file) && readFileSync(file).equals(Buffer.from(contents))) return;
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, contents);
  renameSync(temporary, file);
}

/** A failed build step: the compiler's own words, without a stack. */
export function fail(message) {
  console.error(message);
  process.exit(1);
}
