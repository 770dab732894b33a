/** The command line and data: training on pictures of one's own, preparing data sets, damage. Runs the built `dist/cli.js`. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compressed, matArray, matFile } from '../src/data/mat-example.js';
import { tarFile } from '../src/data/tar-example.js';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const golden = fileURLToPath(new URL('golden/pictures.parquet', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'subbit-cli-data-'));
afterAll(() => rmSync(folder, { recursive: true }));

function subbit(...args: string[]) {
  const env = { ...process.env, SUBBIT_DATA: join(folder, 'sets'), HOME: folder };
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env,
  });
  return { status, stdout, stderr };
}

function json(...args: string[]): Record<string, unknown> {
  const { status, stdout, stderr } = subbit(...args, '--json');
  expect(stderr + status).toMatch(/0$/);
  return JSON.parse(stdout) as Record<string, unknown>;
}

const numPictures = 24;

beforeAll(async () => {
  for (const [k, name] of ['dark', 'light'].entries()) {
    mkdirSync(join(folder, 'photos', name), { recursive: true });
    for (let i = 0; i < numPictures; i++) {
      const shade = 20 + 180 * k + i;
      const background = { r: shade, g: shade, b: shade };
      const picture = sharp({ create: { width: 10 + i, height: 9, channels: 3, background } });
      await picture.toFile(join(folder, 'photos', name, `${i}.${i % 2 === 0 ? 'png' : 'jpg'}`));
    }
  }
});

const quick = ['--epochs', '2', '--batch', '8', '--bits', '1-2-4'];

describe('a folder of pictures', () => {
  test('that has changed since a run began is not gone on with', () => {
    const [pictures, run] = [join(folder, 'changing'), join(folder, 'begun')];
    cpSync(join(folder, 'photos'), pictures, { recursive: true });
    expect(subbit('train', 'digits', '--data', 'changing', ...quick, '--out', run).status).toBe(0);
    for (let i = 0; i < 16; i++) rmSync(join(pictures, 'dark', `${i}.${i % 2 === 0 ? 'png' : 'jpg'}`));
    expect(subbit('train', '--resume', run).stderr).toContain('the training set has changed; restore it');
    renameSync(join(pictures, 'light'), join(pictures, 'lit'));
    const { status, stderr } = subbit('train', '--resume', run);
    expect(stderr).toContain("the data has changed: class 1 is 'lit', and was 'light' when the run began");
    expect(status).toBe(2);
  });

  test('trains, and eval and --resume read the same split', () => {
    const run = join(folder, 'run');
    const source = 'photos:test=0.25,seed=3';
    const options = ['--brightness', '9', '--contrast', '0.2', '--resized-crop', '0.5', '--out', run];
    const trained = json('train', 'digits', '--data', source, ...quick, ...options);
    const { config } = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8')) as {
      config: { training: { data: string; augmentation: unknown }; network: { classes: string[] } };
    };
    expect(config.training.data).toBe(source);
    expect(config.training.augmentation).toEqual({
      ...{ cropPadding: 1, flip: false },
      ...{ brightness: 9, contrast: 0.2, resizedCrop: 0.5 },
    });
    expect(config.network.classes).toEqual(['dark', 'light']);
    expect(json('eval', run)).toMatchObject({ images: 12, accuracy: trained.finalAccuracy });
    expect(json('train', '--resume', run)).toMatchObject({ finalAccuracy: trained.finalAccuracy });
  });

  test('can go on from a network for other classes', () => {
    const parent = join(folder, 'ten');
    json('train', 'digits', '--bits', '1-2-4', '--epochs', '1', '--out', parent);
    const child = join(folder, 'two');
    const { status, stderr } = subbit(
      'train',
      'digits',
      '--data',
      'photos',
      ...quick,
      '--init',
      parent,
      '--out',
      child,
    );
    expect(stderr).toContain('fc/filter, fc/bias: for 2 classes in place of 10, so they begin anew\n');
    expect(status).toBe(0);
    const other = subbit('train', 'lenet', '--data', 'photos', ...quick, '--init', parent);
    expect(other.stderr).toMatch(/the checkpoint is of another network: /);
  });

  test('that is damaged: few are told, --strict refuses, many are an error', () => {
    const file = join(folder, 'photos', 'dark', '3.jpg');
    const whole = readFileSync(file);
    writeFileSync(file, whole.subarray(0, 40));
    const out = ['--out', join(folder, 'damaged')];
    const lenient = subbit('train', 'digits', '--data', 'photos', ...quick, ...out);
    expect(lenient.stderr).toMatch(/left out 1 damaged of \d+ records of 'photos': cannot read 'dark\/3.jpg'/);
    expect(lenient.status).toBe(0);
    const strict = subbit('eval', join(folder, 'damaged'), '--strict');
    expect(strict).toMatchObject({ status: 1, stdout: '' });
    expect(strict.stderr).toMatch(/'photos' is damaged: cannot read 'dark\/3.jpg'/);
    const prepared = subbit('data', 'prepare', 'photos');
    expect(prepared.stdout).toMatch(/2 classes, .*\n1 damaged record was left out\nNOT whole/);
    expect(prepared.status).toBe(1);
    for (let i = 5; i < 15; i += 2) writeFileSync(join(folder, 'photos', 'dark', `${i}.jpg`), '');
    expect(subbit('data', 'prepare', 'photos').stderr).toMatch(/and more than 3 of the 48 records are unusable\n$/);
  });
});

describe('data prepare', () => {
  test('a parquet file', () => {
    expect(json('data', 'prepare', golden)).toMatchObject({
      ...{ path: golden, source: golden, classes: 3, splits: { train: 9, test: 3 }, problems: [], isWhole: true },
    });
  });

  test('an archive, once', () => {
    const pictures = ['a', 'b'].flatMap((name) => {
      const data = readFileSync(join(folder, 'photos', 'light', '2.png'));
      return [1, 2].map((i) => ({ name: `set/${name}/${i}.png`, data }));
    });
    writeFileSync(join(folder, 'set.tar'), tarFile(pictures));
    expect(json('data', 'prepare', 'set.tar', '--out', 'unpacked')).toMatchObject({
      ...{ path: join('unpacked', 'set'), classes: 2, splits: { train: 2, test: 2 } },
    });
    expect(readdirSync(join(folder, 'unpacked'))).toEqual(['set']);
    expect(subbit('data', 'prepare', 'set.tar', '--out', 'unpacked')).toMatchObject({ status: 2, stdout: '' });
    expect(subbit('train', 'digits', '--data', 'set.tar').stderr).toMatch(
      /is an archive: unpack it .*data prepare set.tar/,
    );
  });

  test('a named set that is here, but other than published', () => {
    const place = join(folder, 'sets', 'svhn');
    mkdirSync(place, { recursive: true });
    const X = { name: 'X', shape: [32, 32, 3, 2], type: 2, data: new Uint8Array(6144) };
    const y = { name: 'y', shape: [2, 1], type: 2, data: Uint8Array.of(1, 10) };
    for (const split of ['train', 'test'])
      writeFileSync(join(place, `${split}_32x32.mat`), matFile([X, y].map(matArray).map(compressed)));
    const { status, stdout } = subbit('data', 'prepare', 'svhn');
    expect(status).toBe(1);
    expect(stdout).toMatch(/2 training and 2 test images\n2 train records, not 73257 as published\n2 test records/);
    expect(stdout).toMatch(/train_32x32.mat' has the md5 [0-9a-f]{32}, not e26dedcc434d2e4c54c9b2d4a06d8373/);
    expect(json('data', 'list').datasets).toContainEqual(expect.objectContaining({ name: 'svhn', present: true }));
  });

  test('what is not there', () => {
    expect(subbit('data', 'prepare', './nothing').stderr).toMatch(
      /^subbit: there is no file or folder '.\/nothing'\n$/,
    );
  });
});

test('data list names the options of data sets, and what is read by its form', () => {
  const { forms } = json('data', 'list') as { forms: { name: string }[] };
  expect(forms.map(({ name }) => name)).toEqual(['parquet', 'pictures']);
  expect(subbit('data', 'list').stdout).toMatch(/coarse: the 20 superclasses as labels \(cifar100\)/);
});
