/** Every op's cases in the browser: WebAssembly with one thread and two and without shared memory, per instruction set; WebGPU. */
import { check, expect } from './checks.mjs';
import { emptyFolder, serveFolder, writePage } from './sites.mjs';

/** As test/browser/op-cases.ts names them. */
const kinds = [
  { name: 'wasm', isa: 'relaxed', threads: 2 },
  { name: 'wasm', isa: 'simd128', threads: 2 },
  { name: 'wasm-single', isa: 'relaxed', threads: 1 },
  { name: 'wasm-single', isa: 'simd128', threads: 1 },
  { name: 'webgpu', isa: 'wgsl', threads: 1 },
];

/** Cases between two signs of life. */
const portion = 50;

export const numCaseChecks = kinds.length;

export async function testCases(browser) {
  const folder = emptyFolder('cases');
  await writePage(folder, 'test/browser/op-cases.ts');
  const site = await serveFolder(folder);
  // One page, so that the reference's results are computed once.
  const page = await browser.newPage();
  await page.goto(site.address);
  for (const { name, isa, threads } of kinds) {
    const numbers = threads === 1 ? 'one thread' : `one thread, and the same bits with ${threads}`;
    await check(`every op's cases on ${name} (${isa}), ${numbers}`, async () => {
      const isOpen = await page.evaluate((args) => opCases.open(...args), [name, isa, threads]);
      expect(isOpen, `this browser has no ${name}`);
      return await runAll(page);
    });
  }
  await page.close();
  site.close();
}

async function runAll(page) {
  const count = await page.evaluate(() => opCases.count);
  const missing = {};
  const failed = [];
  let passed = 0;
  for (let first = 0; first < count; first += portion) {
    const outcome = await page.evaluate((range) => opCases.run(...range), [first, first + portion]);
    passed += outcome.passed;
    failed.push(...outcome.failed);
    for (const [op, number] of Object.entries(outcome.missing)) missing[op] = (missing[op] ?? 0) + number;
    if (process.stderr.isTTY) process.stderr.write(`\r${passed} of ${count} cases passed `);
  }
  if (process.stderr.isTTY) process.stderr.write('\r');
  for (const line of failed.slice(0, 20)) console.log(`        ${line}`);
  const without = Object.entries(missing).map(([op, number]) => `${op} (${number})`);
  if (without.length > 0) console.log(`        cases without a kernel: ${without.join(', ')}`);
  expect(failed.length === 0 && passed > 0, `${failed.length} or more cases failed, ${passed} passed`);
  return `${passed} cases`;
}
