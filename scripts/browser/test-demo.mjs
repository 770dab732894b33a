/** The demo page as people use it: predict, draw, train, download, load again; and how it looks, wide and narrow, light and dark. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../kernel-sources.mjs';
import { check, expect } from './checks.mjs';
import { emptyFolder, serveFolder } from './sites.mjs';

/** From the start of a training to a network of this accuracy. */
const target = { accuracy: 0.95, seconds: 60 };

const looks = [1200, 360].flatMap((width) => ['light', 'dark'].map((colorScheme) => ({ width, colorScheme })));

export const numDemoChecks = 7 + looks.length;

export async function testDemo(browser) {
  const pictures = emptyFolder('screenshots');
  const folder = emptyFolder('demo');
  execFileSync(process.execPath, [join(root, 'dist/cli.js'), 'demo', '--out', folder]);
  const site = await serveFolder(folder);
  const context = await browser.newContext({ viewport: { width: 1200, height: 1000 }, acceptDownloads: true });
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('requestfailed', (request) => problems.push(`${request.url()} was not had`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(site.address) && !/^(blob|data):/.test(url)) problems.push(`${url} is no file of the page`);
  });

  await check('demo: a bundled model is there and its speed is shown on every backend', async () => {
    await page.goto(site.address);
    await page.locator('#speeds tr').first().waitFor();
    await page
      .locator('#speeds tr:last-child td')
      .filter({ hasText: /[µm]s$/ })
      .first()
      .waitFor({ timeout: 120_000 });
    return (await page.locator('#speeds tr').allInnerTexts()).map((row) => row.replace(/\s+/g, ' ')).join('; ');
  });
  await check('demo: test digits are told, with the keyboard alone', async () => {
    const { datasets } = await import('../../dist/data.js');
    const { test } = await (await datasets.digits()).load('');
    // The model has these right, so an answer that does not come is of another picture.
    const labels = [...test.labels.slice(0, 5)];
    for (const label of labels) {
      await page.locator('#sample').focus();
      await page.keyboard.press('Enter');
      await page
        .waitForFunction((digit) => document.querySelector('#answer').textContent === digit, String(label))
        .catch(async () => {
          throw new Error(`a ${label} is told as ${await page.locator('#answer').innerText()}`);
        });
    }
    return labels.join(' ');
  });
  await check('demo: a stroke on the pad is told', async () => {
    await page.locator('#clear').click();
    const { x, y, width, height } = await page.locator('#pad').boundingBox();
    await page.mouse.move(x + width / 2, y + height / 6);
    await page.mouse.down();
    await page.mouse.move(x + width / 2, y + (5 * height) / 6, { steps: 12 });
    await page.mouse.up();
    await page.waitForFunction(() => /^\d$/.test(document.querySelector('#answer').textContent));
    return `a line from top to bottom is ${await page.locator('#answer').innerText()}`;
  });
  await check('demo: codewords of a network below one bit are drawn', async () => {
    await page.locator('#model').selectOption({ index: (await page.locator('#model option').count()) - 1 });
    await page.locator('#codewords canvas, #codewords svg').first().waitFor();
  });

  let file;
  await check(`demo: training reaches ${target.accuracy} in less than ${target.seconds} s, by keyboard`, async () => {
    await page.locator('#predict-tab').focus();
    await page.keyboard.press('ArrowRight');
    const began = performance.now();
    await page.locator('#start').focus();
    await page.keyboard.press('Enter');
    await page.locator('#trained').waitFor({ timeout: 5 * 60_000 });
    const seconds = (performance.now() - began) / 1000;
    const status = await page.locator('#status').innerText();
    const accuracy = Number(/accuracy ([\d.]+) %/.exec(status)[1]) / 100;
    expect(accuracy >= target.accuracy, `${status} (${seconds.toFixed(1)} s with the fetching)`);
    expect(seconds < target.seconds, `it took ${seconds.toFixed(1)} s: ${status}`);
    return `${status} ${seconds.toFixed(1)} s with the fetching`;
  });
  await check('demo: the trained network is downloaded, and loaded again from its file', async () => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#download').click()]);
    file = join(pictures, download.suggestedFilename());
    await download.saveAs(file);
    await page.locator('#predict-tab').click();
    await page.locator('#model-file').setInputFiles(file);
    await page.waitForFunction(
      (name) => document.querySelector('#model-facts').textContent.startsWith(name),
      download.suggestedFilename(),
    );
    await page.locator('#sample').click();
    await page.waitForFunction(() => /^\d$/.test(document.querySelector('#answer').textContent));
    expect(problems.length === 0, problems.join('; '));
    return `${download.suggestedFilename()}, ${readFileSync(file).length} bytes`;
  });
  for (const { width, colorScheme } of looks) {
    await check(`demo: ${width} px wide, ${colorScheme}: nothing stands over the edge`, async () => {
      await page.setViewportSize({ width, height: 1000 });
      await page.emulateMedia({ colorScheme });
      for (const name of ['predict', 'train']) {
        await page.locator(`#${name}-tab`).click();
        await page.waitForTimeout(300);
        await page.screenshot({ path: join(pictures, `${name}-${width}-${colorScheme}.png`), fullPage: true });
        const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(over <= 0, `the ${name} tab is ${over} px too wide`);
      }
    });
  }
  await context.close();
  site.close();
  await testNotIsolated(browser, folder);
}

/** As a web server has it that sends no headers of isolation: the kernels are the `single` modules. */
async function testNotIsolated(browser, folder) {
  const site = await serveFolder(folder, { isIsolated: false });
  const page = await browser.newPage();
  await check('demo: on a page that is not isolated it says so, and trains on one thread', async () => {
    await page.goto(`${site.address}#train`);
    const said = await page.locator('#isolation').textContent();
    expect(said.includes('not cross-origin isolated'), 'the page does not say it');
    await page.locator('#epochs').fill('2');
    await page.locator('#start').click();
    await page.locator('#trained').waitFor({ timeout: 120_000 });
    const status = await page.locator('#status').innerText();
    expect(status.includes('1 thread'), status);
    return status;
  });
  await page.close();
  site.close();
}
