/**
 * npm run bench:browser -- --peers-folder DIR: convolution layers on WebAssembly in Chromium, beside onnxruntime-web (of DIR's node_modules) in the same
 * page, on one thread and on two. Nothing else should run on the machine.
 */
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setUp } from '../setup.mjs';
import { launchChromium } from './chromium.mjs';

const { values } = parseArgs({ options: { 'peers-folder': { type: 'string', default: '.' } } });
const peer = join(values['peers-folder'], 'node_modules/onnxruntime-web/dist');
if (!existsSync(peer)) {
  console.error(`there is no onnxruntime-web in '${values['peers-folder']}'; run there: npm install onnxruntime-web`);
  process.exit(1);
}
setUp();
const { emptyFolder, serveFolder, writePage } = await import('./sites.mjs');

const folder = emptyFolder('bench');
await writePage(folder, 'test/browser/bench-conv.ts');
const ofPeer = /^(ort\.wasm\.min\.mjs|ort-wasm-simd-threaded\.(mjs|wasm))$/;
for (const name of readdirSync(peer).filter((name) => ofPeer.test(name)))
  copyFileSync(join(peer, name), join(folder, name));
const site = await serveFolder(folder);
const browser = await launchChromium();
const found = {};
for (const threads of [1, 2]) {
  // The peer's number of threads is that of its first session, so each has a page of its own.
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(error.message));
  await page.goto(site.address);
  await page.waitForFunction(() => globalThis.benchConv !== undefined);
  found[threads] = await page.evaluate((threads) => benchConv.run(threads), threads);
  await page.close();
}
await browser.close();
site.close();

const mean = (values) => Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
for (const [threads, { isa, layers }] of Object.entries(found)) {
  console.log(
    `${threads} ${threads === '1' ? 'thread' : 'threads'}, ${isa}: microseconds, and onnxruntime-web's time / ours`,
  );
  const ratios = (bits) =>
    ['fp32', 'int8'].map((precision) => mean(layers.map(({ microseconds: each }) => each[precision] / each[bits])));
  for (const { shape, microseconds } of layers) {
    const shown = Object.entries(microseconds).map(([name, time]) => `${name} ${time.toFixed(1)}`);
    console.log(`  ${shape.padEnd(8)} ${shown.join('   ')}`);
  }
  for (const bits of ['1-1', '1-2']) {
    const [fp32, int8] = ratios(bits);
    const faster = mean(
      layers.map(({ microseconds }, i) => found[1].layers[i].microseconds[bits] / microseconds[bits]),
    );
    console.log(
      `  ${bits}: ${fp32.toFixed(1)}x fp32, ${int8.toFixed(1)}x int8, geometric means${threads === '1' ? '' : `; ${faster.toFixed(2)}x of one thread`}`,
    );
  }
}
