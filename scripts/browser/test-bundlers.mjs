/**
 * The published package in pages of others: the tarball of `npm pack` in a project of its own, built by Vite, and without a bundler, from a script
 * element of type module; opened in the browser, on WebAssembly and on WebGPU.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from '../kernel-sources.mjs';
import { check, expect } from './checks.mjs';
import { emptyFolder, serveFolder } from './sites.mjs';

const model = join(root, 'src/demo/models/digits-1-2.subbit');

/** Of what a page fetches: the runtime, and the WebAssembly that it runs on. */
const mostBytes = 150_000;

/** Says in the page's title what came of it. `from` is what a module imports the runtime by. */
const script = (from) => `
import { load } from '${from}';
const done = [];
let progress = 0;
for (const backend of ['wasm', 'webgpu']) {
  const model = await load(new URL('./digits.subbit', document.baseURI), { backend, threads: 1, onProgress: ({ loaded }) => { progress = loaded; } });
  const canvas = new OffscreenCanvas(20, 20);
  canvas.getContext('2d').fillRect(8, 2, 4, 16);
  const [found] = await model.classify(model.prepare(canvas));
  const { identical, vectors } = await model.verify();
  done.push(\`\${backend} \${model.backend.isa}: \${found.class}, \${identical ? 'identical' : 'NOT identical'} on \${vectors}\`);
  model.dispose();
}
document.title = \`done: \${done.join('; ')}; \${progress} bytes\`;
`;

const page = (source) => `<!doctype html><title>waiting</title><script type="module" src="${source}"></script>`;

export const numBundlerChecks = 3;

export async function testBundlers(browser) {
  const project = emptyFolder('project');
  const run = (command, args, cwd = project) => {
    const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
    expect(status === 0, `${command} ${args.join(' ')}: ${stderr || stdout}`);
    return stdout;
  };
  const installed = join(project, 'node_modules/subbit');
  await check('npm pack, and a project that has the package from it', () => {
    run('npm', ['pack', '--ignore-scripts', '--pack-destination', project], root);
    const [tarball] = readdirSync(project).filter((name) => name.endsWith('.tgz'));
    mkdirSync(installed, { recursive: true });
    run('tar', ['-xzf', join(project, tarball), '--strip-components=1', '-C', installed]);
    const size = (name) => gzipSync(readFileSync(join(installed, 'dist', name)), { level: 9 }).length;
    const bytes = size('runtime-browser.js') + size('runtime-relaxed.wasm');
    expect(bytes <= mostBytes, `the runtime with its WebAssembly is ${bytes} bytes, gzipped`);
    return `the runtime with its WebAssembly is ${bytes} bytes, gzipped`;
  });
  await check('Vite: built and opened', async () => {
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'page', private: true, type: 'module' }));
    writeFileSync(join(project, 'main.js'), script('subbit/runtime'));
    writeFileSync(join(project, 'index.html'), page('/main.js'));
    mkdirSync(join(project, 'public'), { recursive: true });
    copyFileSync(model, join(project, 'public/digits.subbit'));
    run(process.execPath, [
      join(root, 'node_modules/vite/bin/vite.js'),
      'build',
      '--base',
      './',
      '--logLevel',
      'error',
    ]);
    return open(browser, join(project, 'dist'));
  });
  await check('a plain script of type module', async () => {
    const folder = emptyFolder('plain');
    cpSync(join(installed, 'dist'), join(folder, 'subbit'), { recursive: true });
    copyFileSync(model, join(folder, 'digits.subbit'));
    writeFileSync(join(folder, 'main.js'), script('./subbit/runtime-browser.js'));
    writeFileSync(join(folder, 'index.html'), page('main.js'));
    return open(browser, folder);
  });
}

async function open(browser, folder) {
  const site = await serveFolder(folder);
  const opened = await browser.newPage();
  const problems = [];
  opened.on('pageerror', (error) => problems.push(error.message));
  try {
    await opened.goto(site.address);
    await opened
      .waitForFunction(() => document.title.startsWith('done'), undefined, { timeout: 120_000 })
      .catch((error) => {
        throw new Error(problems.join('; ') || error.message);
      });
    const title = await opened.title();
    expect(!title.includes('NOT'), title);
    return title;
  } finally {
    await opened.close();
    site.close();
  }
}
