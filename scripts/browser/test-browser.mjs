/**
 * npm run test:browser: what needs a real browser, or a GPU in software. Sets everything up, prints how many checks ran, and exits with 1 when one failed or did
 * not run. Screenshots of the demo are left in build/browser-test. An argument runs one part: node, cases, demo or bundlers.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { root } from '../kernel-sources.mjs';
import { setUp } from '../setup.mjs';
import { check, conclude, expect } from './checks.mjs';
import { launchChromium } from './chromium.mjs';

setUp();
const { testCases, numCaseChecks } = await import('./test-cases.mjs');
const { testDemo, numDemoChecks } = await import('./test-demo.mjs');
const { testBundlers, numBundlerChecks } = await import('./test-bundlers.mjs');

/** Chromium's GPU in software, for Dawn in Node. */
const driver = '/usr/lib/chromium/vk_swiftshader_icd.json';

const parts = {
  demo: { count: numDemoChecks, run: testDemo },
  bundlers: { count: numBundlerChecks, run: testBundlers },
  cases: { count: numCaseChecks, run: testCases },
  node: { count: 1, run: testNode },
};

const wanted = process.argv[2] === undefined ? Object.keys(parts) : [process.argv[2]];
const browser = await launchChromium();
for (const name of wanted) await parts[name].run(browser);
await browser.close();
conclude(wanted.reduce((sum, name) => sum + parts[name].count, 0));

/** The tests that use a GPU where there is one, with one: cases, the backend, training, deployed networks. */
function testNode() {
  return check('WebGPU in Node: every case, the backend, training, deployed networks', () => {
    const env = { ...process.env, REQUIRE_BACKENDS: 'webgpu' };
    if (env.VK_ICD_FILENAMES === undefined && existsSync(driver)) env.VK_ICD_FILENAMES = driver;
    const files = [
      'src/ops/parity.test.ts',
      'src/backends/webgpu',
      'test/webgpu-training.test.ts',
      'src/runtime/runtime.test.ts',
    ];
    const args = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=dot', '-t', 'webgpu', ...files];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: root,
      env,
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    const summary = /Tests\s+(.*)/.exec(stdout)?.[1] ?? stderr;
    expect(status === 0, summary);
    return summary;
  });
}
