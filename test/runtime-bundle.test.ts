/** The inference runtime is small and has nothing of training: its import graph, and its browser build in bytes. */
import { readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { rolldown } from 'rolldown';
import { describe, expect, test } from 'vitest';
import { builtFile } from '../src/backends/built-file.js';

const source = fileURLToPath(new URL('../src', import.meta.url));

/** Every file of src that a file imports, directly or not, also by import(); types do not count. */
function importGraph(entry: string): Set<string> {
  const found = new Set<string>();
  const visit = (path: string): void => {
    const name = relative(source, path);
    if (found.has(name)) return;
    found.add(name);
    const text = readFileSync(path, 'utf8');
    for (const [statement, from, dynamic] of text.matchAll(
      /(?:^|\n)(?:import|export)\b[^;]*?from\s*'(\.[^']+)'|import\('(\.[^']+)'\)/g,
    )) {
      if (/^\s*(import|export) type\b/.test(statement)) continue;
      visit(resolve(dirname(path), (from ?? dynamic)!.replace(/\.js$/, '.ts')));
    }
  };
  visit(resolve(source, entry));
  return found;
}

/** Folders and files that an inference runtime has no use for. */
const isOfTraining = (path: string): boolean =>
  /^(nn|optim|train|data|deploy|cli)\//.test(path) ||
  /\.(grad|cases)\.ts$/.test(path) ||
  ['ops/index.ts', 'ops/gradients.ts', 'passes/differentiate.ts', 'backends/index.ts'].includes(path);

describe.each(['runtime/index.ts', 'runtime/browser.ts'])('%s', (entry) => {
  const files = [...importGraph(entry)];

  test('imports nothing of training', () => {
    expect(files).toContain('backends/plan.ts');
    expect(files).toContain('ops/integer-conv2d/integer-conv2d.ts');
    expect(files.filter(isOfTraining)).toEqual([]);
  });
});

test('the browser entry imports nothing of Node', () => {
  for (const file of importGraph('runtime/browser.ts')) {
    expect(readFileSync(resolve(source, file), 'utf8'), file).not.toMatch(/from 'node:|import\('node:|\bprocess\.env/);
  }
});

test('the check sees what is of training', () => {
  expect([...importGraph('train/index.ts')].filter(isOfTraining).length).toBeGreaterThan(20);
  expect([...importGraph('backends/index.ts')]).toContain('ops/index.ts');
});

const limitBytes = 150_000;
const kernels = ['runtime', 'runtime-relaxed', 'runtime-single', 'runtime-single-relaxed'].map((name) =>
  builtFile(`wasm/${name}.wasm`),
);
const isBuilt = kernels.every((file) => file !== undefined);
if (!isBuilt) {
  if ((process.env.REQUIRE_BACKENDS ?? '').includes('wasm'))
    throw new Error('the runtime kernels for browsers are not built');
  console.error(
    "SKIPPED: the size of the browser build; the runtime's WebAssembly kernels are not built (npm run build)",
  );
}

test.skipIf(!isBuilt)(`the browser build is at most ${limitBytes / 1000} KB gzipped`, async () => {
  const bundle = await rolldown({
    input: resolve(source, 'runtime/browser.ts'),
    platform: 'browser',
    resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
    logLevel: 'silent',
  });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  const chunks = output.filter((each) => each.type === 'chunk');
  const codeBytes = (isFetched: (chunk: (typeof chunks)[number]) => boolean): number =>
    chunks.filter(isFetched).reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0);
  // What the entry imports is fetched with it; what WebGPU needs is not.
  const [entry] = chunks;
  const isFirst = ({ fileName }: (typeof chunks)[number]): boolean =>
    fileName === entry!.fileName || entry!.imports.includes(fileName);
  const [code, webGpu] = [codeBytes(isFirst), codeBytes((chunk) => !isFirst(chunk))];
  const wasm = Math.max(...kernels.map((file) => gzipSync(readFileSync(file!), { level: 9 }).length));
  console.error(
    `browser build, gzipped: ${code} bytes of JavaScript and ${wasm} of WebAssembly; ${webGpu} more where a page wants WebGPU`,
  );
  expect(chunks.filter(isFirst).some((chunk) => chunk.code.includes('workgroupBarrier'))).toBe(false);
  expect(chunks.some((chunk) => chunk.code.includes('workgroupBarrier'))).toBe(true);
  expect(code + wasm).toBeLessThanOrEqual(limitBytes);
});
