/** npm run quickstart: sets everything up, trains a small 1-2-4 network on the embedded digits, and says what to try next. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root, setUp } from './setup.mjs';

setUp();

function subbit(...args) {
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'dist', 'cli.js'), ...args, '--json'], {
    cwd: root,
    stdio: ['inherit', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) process.exit(status ?? 1);
  return JSON.parse(stdout);
}

const run = join('runs', 'quickstart');
console.error(
  '\ntraining a network with 1-bit weights, 2-bit activations and 4-bit gradients on 1,437 handwritten digits',
);
const { finalAccuracy, seconds } = subbit('train', 'digits', '--bits', '1-2-4', '--out', run, '--force');
const { predictedBytes, float32Bytes } = subbit('inspect', run).totals;

console.log(`
test accuracy ${finalAccuracy.toFixed(4)} on 360 digits it has not seen, after ${Math.round(seconds)} s of training
size ${(predictedBytes / 1000).toFixed(1)} KB packed, ${(float32Bytes / 1000).toFixed(1)} KB as float32 (${(float32Bytes / predictedBytes).toFixed(1)}x)

what to try next:
  npx subbit inspect ${run}                       its layers: bits, bytes, multiply-accumulates
  npx subbit train digits --bits 2-2-4                     other bits
  npx subbit train resnet20 --data DIR --bits 1-2-4        CIFAR-10 (the binary version, unpacked in DIR)
  npx subbit train --help                                  all options; data sets: npx subbit data list`);
