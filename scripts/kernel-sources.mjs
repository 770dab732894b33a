/**
 * What the builds of the C++ kernels (build-native.mjs, build-wasm.mjs, check-kernels.mjs) share: which files there are, which options
 * they want, and a cache of objects named by the hash of everything that goes into them.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

function filesUnder(folder, extension) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(extension))
    .sort()
    .map((name) => join(root, folder, name));
}

/** All files with kernels. */
export const kernelFiles = () => filesUnder('src/ops', '.cc');

/** Where a quoted include is looked for, after the includer's own folder. */
const includeFolders = ['native', 'build/generated'];

/** A source with all headers that it includes, directly or not: what its object depends on. */
export function withHeaders(source) {
  const files = new Set([source]);
  for (const file of files) {
    for (const [, name] of readFileSync(file, 'utf8').matchAll(/^\s*#\s*include "([^"]+)"/gm)) {
      const folders = [dirname(file), ...includeFolders.map((folder) => join(root, folder))];
      const header = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
      if (header === undefined) fail(`${relative(root, file)} includes "${name}", which does not exist`);
      files.add(header);
    }
  }
  return [...files];
}

/** -iquote: found by #include "x.h" only, because native/ has names (math.h, memory.h) that the C library has too. */
export const includeOptions = (base) => includeFolders.flatMap((folder) => ['-iquote', `${base}/${folder}`]);

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

export const mayFuse = (source) => readFileSync(source, 'utf8').startsWith(contractMarker);

/**
 * Every compilation of a module: `sources` (of generate-ops-header.mjs) once per instruction set, the files of native/ once. `isas`
 * maps the sets' names, the best first, to their options; `sourceOptions` gives those that only some kernels get.
 */
export function compilations({ isas, sources, nativeSources, options, nativeOptions = [], sourceOptions = () => [] }) {
  const names = Object.keys(isas).map((isa) => [isa, isa.replaceAll('-', '_')]);
  const eachIsa = names.map(([, identifier]) => `X(${identifier})`).join(' ');
  return [
    ...nativeSources.map((name) => ({
      source: join(root, 'native', name),
      options: [...commonOptions, ...options, ...nativeOptions, `-DSUBBIT_EACH_ISA(X)=${eachIsa}`],
    })),
    ...names.flatMap(([isa, identifier]) => {
      const isaOptions = [...isas[isa], `-DSUBBIT_ISA=${identifier}`, `-DSUBBIT_ISA_NAME="${isa}"`];
      return sources.map((source) => {
        const own = [...(mayFuse(source) ? ['-ffp-contract=fast'] : []), ...sourceOptions(source)];
        return { source, options: [...commonOptions, ...options, ...isaOptions, ...own] };
      });
    }),
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
  const planned = jobs.map((job) => {
    const files = withHeaders(job.source).flatMap((file) => [relative(root, file), readFileSync(file)]);
    const hash = hashOf([compiler, ...files, ...job.options]);
    return { ...job, object: join(cache, `${basename(job.source, '.cc')}-${hash}.o`) };
  });
  // Modules that share objects ask for each once.
  const missing = planned.filter((job) => !existsSync(job.object));
  const waiting = [...new Map(missing.map((job) => [job.object, job])).values()];
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

/**
 * `make(file)` writes the linked file unless the cache has it; `target` becomes a copy, with the same permissions. Returns the
 * cache's file.
 */
export async function linkTo({ target, cache, objects, options, make }) {
  const linked = join(cache, `${basename(target)}-${hashOf([...objects.map((file) => basename(file)), ...options])}`);
  if (!existsSync(linked)) {
    await make(`${linked}.${process.pid}`);
    renameSync(`${linked}.${process.pid}`, linked);
  }
  replaceFile(target, readFileSync(linked), statSync(linked).mode);
  return linked;
}

/** The cache keeps what nobody needs any more for this long: other branches, other compilers. */
const cacheDays = 7;

/** Removes old files that this build did not use. */
export function cleanCache(cache, used) {
  const kept = new Set(used);
  const oldest = Date.now() - cacheDays * 24 * 3600 * 1000;
  for (const file of readdirSync(cache).map((name) => join(cache, name))) {
    if (!kept.has(file) && statSync(file).mtimeMs < oldest) rmSync(file);
  }
}

/** Writes beside and renames, so that nobody ever reads half a file. Leaves an equal file alone. */
export function replaceFile(file, contents, mode = 0o666) {
  if (existsSync(file) && readFileSync(file).equals(Buffer.from(contents))) return;
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, contents, { mode });
  renameSync(temporary, file);
}

/** A failed build step: the compiler's own words, without a stack. */
export function fail(message) {
  console.error(message);
  process.exit(1);
}
