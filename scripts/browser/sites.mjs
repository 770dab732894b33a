/** What tests and measurements in browsers stand on: bundles of TypeScript, folders of files, and the server of `subbit demo`. */
import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { bundleTypescript, importText } from '../bundle-typescript.mjs';
import { root } from '../kernel-sources.mjs';

const { serveSite } = await importText(await bundleTypescript('../src/cli/demo-site.ts'));

/** Where all that tests leave lies; the screenshots are for people. */
export const artefacts = join(root, 'build/browser-test');

/** An empty folder below it. */
export function emptyFolder(name) {
  const folder = join(artefacts, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

export function copyKernels(folder) {
  const built = join(root, 'build/wasm');
  for (const name of readdirSync(built).filter((name) => name.endsWith('.wasm')))
    copyFileSync(join(built, name), join(folder, name));
}

/** A TypeScript file with all that it imports as `script.js` of a page in `folder`, with the kernels beside it. */
export async function writePage(folder, file) {
  const bundle = await rolldown({
    input: join(root, file),
    platform: 'browser',
    external: /^node:/,
    treeshake: { moduleSideEffects: [{ test: /^node:/, sideEffects: false }] },
    resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
    logLevel: 'silent',
  });
  await bundle.write({ file: join(folder, 'script.js'), format: 'esm', codeSplitting: false });
  writeFileSync(
    join(folder, 'index.html'),
    '<!doctype html><title>subbit</title><script type="module" src="script.js"></script>',
  );
  copyKernels(folder);
}

/** Serves a folder. */
export function serveFolder(folder, { isIsolated = true } = {}) {
  const names = readdirSync(folder, { recursive: true }).map((name) => name.replaceAll('\\', '/'));
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return serveSite(new Map(files.map((name) => [name, join(folder, name)])), { port: 0, isIsolated });
}
