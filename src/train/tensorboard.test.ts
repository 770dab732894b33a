import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { removeEventFiles, tensorboardFolder } from './event-files.js';
import { TensorboardWriter } from './tensorboard.js';

const run = mkdtempSync(join(tmpdir(), 'subbit-tensorboard-'));
const folder = tensorboardFolder(run);
afterAll(() => rmSync(run, { recursive: true }));

test('writes an event per line that has numbers, after the two of the beginning', () => {
  const writer = new TensorboardWriter(folder, 7);
  writer.append({ type: 'step', step: 8, epoch: 1, loss: 2, learningRate: 0.1, imagesPerSecond: 100 });
  writer.append({ type: 'renewal', step: 8, changes: {} });
  writer.append({ type: 'epoch', step: 8, epoch: 1, trainLoss: 2, testLoss: 2, testAccuracy: 0.5, seconds: 1 });
  const one = { min: 0, max: 1, mean: 0.5, deviation: 0.5, counts: [3, 3] };
  const layer = { name: 'conv1', parameters: one, weights: one, activations: null, gradients: one };
  writer.append({ type: 'histograms', step: 8, epoch: 1, layers: [layer] });
  writer.close();
  const bytes = readFileSync(join(folder, readdirSync(folder)[0]!));
  let records = 0;
  for (let at = 0; at < bytes.length; at += 16 + Number(bytes.readBigUInt64LE(at))) records++;
  expect(records).toBe(2 + 3);
  const found = [...bytes.toString('latin1').matchAll(/[a-z]\w+\/\w+/g)].map(([tag]) => tag);
  expect(found).toEqual([
    ...['train/loss', 'train/learningRate', 'train/imagesPerSecond'],
    ...['epoch/trainLoss', 'epoch/testLoss', 'epoch/testAccuracy'],
    ...['conv1/parameters', 'conv1/weights', 'conv1/gradients'],
  ]);
});

test("removes its own files and leaves others'", () => {
  const other = join(folder, 'events.out.tfevents.1.host');
  writeFileSync(other, '');
  removeEventFiles(folder);
  expect(readdirSync(folder)).toEqual(['events.out.tfevents.1.host']);
  rmSync(other);
  removeEventFiles(folder);
  expect(readdirSync(run)).toEqual([]);
  removeEventFiles(folder);
});
