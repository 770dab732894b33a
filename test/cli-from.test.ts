/** train --from: a float network from an ONNX file is fine-tuned at few bits, and its run stands without the file. Runs `dist/cli.js`. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeOnnx } from '../src/formats/onnx-reader.js';
import { encodeOnnx } from '../src/formats/onnx-writer.js';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'subbit-from-'));
const float = join(folder, 'float digits.onnx');
afterAll(() => rmSync(folder, { recursive: true }));

function subbit(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
}

function json(...args: string[]): Record<string, unknown> {
  const { status, stdout, stderr } = subbit(...args, '--json');
  expect(stderr + status).toMatch(/0$/);
  return JSON.parse(stdout) as Record<string, unknown>;
}

beforeAll(() => {
  json('train', 'digits', '--epochs', '4', '--out', join(folder, 'float'));
  json('export', join(folder, 'float'), '--format', 'onnx', '--out', float);
}, 60_000);

const short = ['--data', 'digits', '--bits', '1-2-32', '--epochs', '1'];

test('a short fine-tuning is far ahead of as many steps from scratch; the run is used and deployed without the file', () => {
  const model = join(folder, 'moved.onnx');
  writeFileSync(model, readFileSync(float));
  const run = join(folder, 'tuned');
  const tuned = json('train', '--from', model, ...short, '--out', run) as { finalAccuracy: number; preset: string };
  const scratch = json('train', 'digits', ...short, '--batch', '64', '--lr', '0.001', '--out', join(folder, 'scratch'));
  expect(tuned.preset).toBe('moved');
  // Five seeds: 0.93 to 0.95, and 0.62 to 0.71 from scratch.
  expect(tuned.finalAccuracy).toBeGreaterThan(0.9);
  expect(tuned.finalAccuracy).toBeGreaterThan((scratch.finalAccuracy as number) + 0.05);
  rmSync(model);
  expect(json('eval', run).accuracy).toBe(tuned.finalAccuracy);
  expect(json('train', '--resume', run).finalAccuracy).toBe(tuned.finalAccuracy);
  const { layers } = json('inspect', run) as { layers: { name: string; macs: number; weightBits: number }[] };
  expect(layers.filter(({ macs }) => macs > 0).map(({ name, weightBits }) => [name, weightBits])).toEqual([
    ['conv0', 32],
    ['conv1', 1],
    ['conv2', 1],
    ['fc', 32],
  ]);
  const deployed = join(folder, 'tuned.subbit');
  json('export', run, '--format', 'subbit', '--out', deployed);
  expect(Math.abs((json('eval', deployed, '--data', 'digits').accuracy as number) - tuned.finalAccuracy)).toBeLessThan(
    0.01,
  );
  json('compact', run, '--codewords', '32', '--epochs', '1', '--out', join(folder, 'compact'));
}, 120_000);

test('quantizers with parameters of their own begin them', () => {
  const run = join(folder, 'learned');
  const options = ['--activation-quantizer', 'lsq', '--weight-quantizer', 'lsq', '--bits', '2-2-32', '--epochs', '1'];
  const { finalAccuracy } = json('train', '--from', float, '--data', 'digits', ...options, '--out', run);
  expect(finalAccuracy).toBeGreaterThan(0.9);
}, 60_000);

test('mistakes are one line', () => {
  expect(subbit('train', 'digits', '--from', float, ...short).stderr).toBe(
    `subbit: --from ${float} gives the network and its weights; leave out 'digits'\n`,
  );
  expect(subbit('train', '--from', float, '--init', 'float', ...short).stderr).toMatch(/; leave out 'float'\n$/);
  expect(subbit('train', '--from', 'missing.onnx', ...short).stderr).toBe("subbit: there is no file 'missing.onnx'\n");
  expect(subbit('train', '--from', float, '--zero', '1,,2', ...short).stderr).toMatch(
    /--zero takes numbers in 0\.\.255/,
  );
  expect(subbit('train', '--from', float, '--bits', '1-2-32').stderr).toMatch(/needs --data NAME or --data PATH/);
  const model = decodeOnnx(readFileSync(float), { name: float });
  const nodes = model.nodes.map((node) => (node.op === 'Conv' ? { ...node, op: 'ConvTranspose' } : node));
  writeFileSync(join(folder, 'other.onnx'), encodeOnnx({ ...model, nodes }));
  expect(subbit('train', '--from', 'other.onnx', ...short).stderr).toBe(
    "subbit: ConvTranspose 'conv0': the operator is not supported\n",
  );
});
