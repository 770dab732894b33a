/** A real browser for tests and measurements: the machine's Chromium, headless, driven by playwright-core. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Without sandbox where we are root, and without whatever else goes to the network by itself. */
const quiet = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** A GPU in software (SwiftShader), so that WebGPU is there on any machine. */
const webGpu = ['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--use-webgpu-adapter=swiftshader'];

/** Its path: $CHROMIUM, or one of the usual places; on Debian it is installed where we may. Ends the process when there is none. */
function findChromium() {
  const find = () => [process.env.CHROMIUM, ...places].find((place) => place && existsSync(place));
  const found = find();
  if (found) return found;
  const isDebian = existsSync('/usr/bin/apt-get');
  if (isDebian && process.getuid?.() === 0) {
    console.error('installing chromium');
    const install = ['install', '--yes', '--no-install-recommends', 'chromium', 'libvulkan1'];
    for (const args of [['update'], install]) spawnSync('apt-get', args, { stdio: ['ignore', 2, 2] });
    const installed = find();
    if (installed) return installed;
  }
  const how = isDebian ? 'apt-get install chromium' : "your system's packages";
  console.error(`there is no Chromium; install it (${how}), or give its path in the variable CHROMIUM`);
  process.exit(1);
}

export function launchChromium() {
  const args = [...quiet, ...webGpu];
  return chromium.launch({ executablePath: findChromium(), args, headless: true });
}
