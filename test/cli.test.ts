/** The command line as a person meets it: results, one-line errors, exit codes. Runs the built `dist/cli.js`. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadCheckpoint } from '../src/train/checkpoint.js';
import { metricsFile, readMetrics } from '../src/train/metrics.js';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'subbit-cli-'));
const run = join(folder, 'run');
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** A training that goes on until it is stopped; resolves when its first epoch is done. `output` collects its standard error. */
async function startEndless(out: string): Promise<{ child: ChildProcess; output: { text: string } }> {
  const child = spawn(process.execPath, [cli, 'train', 'digits', '--epochs', '100000', '--out', out]);
  children.push(child);
  const output = { text: '' };
  await new Promise<void>((resolve) => {
    child.stderr.on('data', (data: Buffer) => {
      output.text += data.toString();
      if (output.text.includes('epoch 1/100000:')) resolve();
    });
  });
  return { child, output };
}

function subbit(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
  return { status, stdout, stderr };
}

function json(...args: string[]): Record<string, unknown> {
  const { status, stdout, stderr } = subbit(...args, '--json');
  expect(stderr + status).toMatch(/0$/);
  expect(stdout.trim().split('\n')).toHaveLength(1);
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** A file of options. */
function file(name: string, options: object): string {
  writeFileSync(join(folder, name), JSON.stringify(options));
  return join(folder, name);
}

let trained: Record<string, unknown>;

beforeAll(() => {
  trained = json('train', 'digits', '--bits', '1-2-4', '--epochs', '4', '--out', run);
}, 120_000);

describe('results', () => {
  test('train reports the run', () => {
    expect(trained).toMatchObject({ run, preset: 'digits', bits: '1-2-4', epochs: 4, steps: 4 * 44, seed: 1 });
    expect(trained.finalAccuracy).toBeGreaterThan(0.8);
    for (const key of ['bestAccuracy', 'seconds', 'secondsPerEpoch', 'peakMemoryBytes', 'threads']) {
      expect(trained[key], key).toBeTypeOf('number');
    }
    for (const key of ['backend', 'isa']) expect(trained[key], key).toBeTypeOf('string');
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(lines.filter(({ type }) => type === 'step')).toHaveLength(4 * 44);
    expect(lines.filter(({ type }) => type === 'epoch')).toHaveLength(4);
  });

  test('eval gives the accuracy of training', () => {
    const result = json('eval', run);
    expect(result).toMatchObject({ images: 360, accuracy: trained.finalAccuracy });
    expect(result.correct).toBe(Math.round(360 * (result.accuracy as number)));
  });

  test('inspect gives the layers of a run and of a preset', () => {
    const { layers, totals } = json('inspect', run) as { layers: { name: string }[]; totals: { fileBytes: number } };
    expect(layers.find(({ name }) => name === 'conv1')).toMatchObject({
      weightBits: 1,
      activationBits: 2,
      gradientBits: 4,
    });
    expect(totals.fileBytes).toBeGreaterThan(0);
    const preset = json('inspect', 'dorefa-svhn', '--width', 'A', '--bits', '1-2-4') as { totals: { macs: number } };
    expect(preset.totals.macs / 1e6).toBeCloseTo(41.7, 1);
  });

  test('inspect --kernels gives the spread of the binary filters, and a page', () => {
    const page = join(folder, 'kernels.html');
    const { kernels } = json('inspect', run, '--kernels', '--html', page) as {
      kernels: { name: string; filters: number; counts: number[] }[];
    };
    expect(kernels.map(({ name, filters }) => [name, filters])).toEqual([
      ['conv1', 32 * 64],
      ['conv2', 64 * 64],
    ]);
    for (const { counts, filters } of kernels) expect(counts.reduce((sum, count) => sum + count)).toBe(filters);
    const html = readFileSync(page, 'utf8');
    expect(html.match(/<h2>/g)).toHaveLength(2);
    expect(html).not.toMatch(/https?:|<script/);
  });

  test('inspect --html writes one page of a run', () => {
    const file = join(folder, 'run.html');
    expect(json('inspect', run, '--html', file)).toHaveProperty('layers');
    const html = readFileSync(file, 'utf8');
    for (const part of ['Loss', 'Filters of the first layer', 'surest mistakes', 'parameters behind the weights'])
      expect(html).toContain(part);
    expect(html).toContain(`test accuracy ${(trained.finalAccuracy as number).toFixed(4)}`);
    // Row by row of the matrix, as many as there are test images.
    const counts = [...html.matchAll(/<td title[^>]*>(\d+)</g)].map(([, count]) => Number(count));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(360);
    expect(html).not.toMatch(/https?:|<script/);
    expect(json('inspect', run, '--html', file, '--data', join(folder, 'nowhere'))).toHaveProperty('layers');
    expect(readFileSync(file, 'utf8')).toMatch(/No test images were looked at: .*nowhere/);
  });

  test('inspect compares two', () => {
    const other = join(folder, 'other');
    json('train', 'digits', '--bits', '2-2-4', '--epochs', '1', '--out', other);
    const { runs } = json('inspect', run, other) as {
      runs: { target: string; layers: object[]; totals: object; results: { finalAccuracy: number; epochs: number } }[];
    };
    expect(runs.map(({ target, results }) => [target, results.epochs])).toEqual([
      [run, 4],
      [other, 1],
    ]);
    expect(runs[0]!.results.finalAccuracy).toBe(trained.finalAccuracy);
    expect(runs[0]!.layers).toEqual((json('inspect', run) as { layers: object[] }).layers);
    const { stdout } = subbit('inspect', run, other);
    expect(stdout).toMatch(/conv1 +1-2-4 +2-2-4 +2,304 +4,608/);
    expect(stdout).toMatch(/network\.bits +1-2-4 +2-2-4/);
    expect(stdout).toMatch(/training\.epochs +4 +1/);
    expect(stdout).not.toContain('training.seed');
    expect(subbit('inspect', run, 'digits').stdout).toMatch(/parameters +58,442 +58,442 +1\.000/);
  });

  test('data list gives the data sets', () => {
    const { datasets } = json('data', 'list') as { datasets: { name: string; present: boolean }[] };
    expect(datasets.find(({ name }) => name === 'digits')).toMatchObject({
      present: true,
      classes: 10,
      shape: [8, 8, 1],
    });
  });

  test('bench train gives parts, which are no more than the step', () => {
    const result = json('bench', 'train', 'digits', '--bits', '1-2-4', '--steps', '9');
    const parts = result.parts as { name: string; milliseconds: number }[];
    expect(parts.map(({ name }) => name)).toContain('conv2d-filter-gradient');
    // Medians of what other work may have slowed; a step without its backward pass is a third.
    const sum = parts.reduce((total, { milliseconds }) => total + milliseconds, 0);
    expect(result.stepMilliseconds).toBeGreaterThan(0.6 * sum);
    expect(result.inputWaitMilliseconds).toBeGreaterThan(0);
  });

  test('--diagnostics writes what the quantizers do', () => {
    const out = join(folder, 'diagnosed');
    json('train', 'digits', '--bits', '1-2-4', '--epochs', '1', '--diagnostics', '20', '--out', out);
    const lines = readMetrics(metricsFile(out)).flatMap((line) => (line.type === 'diagnostics' ? [line] : []));
    expect(lines.map(({ step }) => step)).toEqual([20, 40]);
    expect(lines[1]!.layers.map(({ name }) => name)).toEqual(['conv1', 'conv2']);
    expect(lines[1]!.layers[0]!.usedLevels).toEqual({ weights: 2, activations: 4, gradients: 16 });
  });

  test('a run leaves the options to repeat it with, bit for bit', () => {
    const [first, second] = [join(folder, 'first'), join(folder, 'second')];
    const own = file('own.json', { preset: 'digits', bits: '1-2-4', epochs: 1, 'bits-of': { conv2: '2-2-4' } });
    json('train', '--config', own, '--out', first, '--seed', '5', '--crop', '1');
    json('train', '--config', join(first, 'config.json'), '--out', second);
    const weights = (out: string) => readFileSync(join(out, 'checkpoints', 'last.safetensors'));
    expect(weights(second).equals(weights(first))).toBe(true);
    const printed = subbit('train', 'digits', '--epochs', '1', '--no-flip', '--out', join(folder, 'printed')).stderr;
    expect(printed).toMatch(/to repeat it: subbit train digits --data digits --epochs 1 .*--no-flip/);
    const compacted = join(folder, 'compacted');
    json('compact', first, '--codewords', '16', '--epochs', '1', '--renew-every', '9', '--out', compacted);
    json('compact', '--config', join(compacted, 'config.json'), '--out', second, '--force');
    expect(weights(second).equals(weights(compacted))).toBe(true);
  });

  test('--histograms and --tensorboard write more and change nothing', () => {
    const [plain, watched] = [join(folder, 'plain'), join(folder, 'watched')];
    json('train', 'digits', '--bits', '1-2-4', '--epochs', '3', '--out', plain);
    json('train', 'digits', '--bits', '1-2-4', '--epochs', '3', '--histograms', '2', '--tensorboard', '--out', watched);
    const weights = (out: string) => readFileSync(join(out, 'checkpoints', 'last.safetensors'));
    expect(weights(watched).equals(weights(plain))).toBe(true);
    const lines = readMetrics(metricsFile(watched)).flatMap((line) => (line.type === 'histograms' ? [line] : []));
    expect(lines.map(({ epoch, step }) => [epoch, step])).toEqual([
      [2, 88],
      [3, 132],
    ]);
    const files = (): string[] => readdirSync(join(watched, 'tensorboard'));
    expect(files()).toHaveLength(1);
    const name = files()[0]!;
    json('train', 'digits', '--epochs', '1', '--tensorboard', '--out', watched, '--force');
    expect(files()).toHaveLength(1);
    expect(files()).not.toContain(name);
  });

  test('--init starts from the weights of a run', () => {
    const result = json(
      'train',
      'digits',
      '--bits',
      '1-2-4',
      '--epochs',
      '1',
      '--init',
      run,
      '--lr',
      '0.0001',
      '--out',
      join(folder, 'init'),
    );
    expect(result.finalAccuracy).toBeGreaterThan((trained.finalAccuracy as number) - 0.05);
  });

  test('weights in a safetensors file are as good a start as the run that they are of', () => {
    const file = join(folder, 'weights.safetensors');
    const { fileBytes, predictedBytes } = json('export', run, '--format', 'safetensors', '--out', file);
    expect(predictedBytes).toBe(fileBytes);
    const foreign = join(folder, 'pytorch.safetensors');
    json('export', run, '--format', 'safetensors', '--names', 'pytorch', '--out', foreign);
    const [ofRun, ofFile, ofForeign] = [run, file, foreign].map((init, i) => {
      const out = join(folder, `from-${i}`);
      json('train', 'digits', '--bits', '1-2-4', '--epochs', '1', '--init', init, '--out', out);
      return loadCheckpoint(join(out, 'checkpoints', 'last.safetensors')).tensors;
    });
    expect(ofFile).toEqual(ofRun);
    expect(ofForeign).toEqual(ofRun);
  });

  test('a pickle is refused, with how to save it', () => {
    const pickle = join(folder, 'weights.pth');
    writeFileSync(pickle, 'PK');
    const result = subbit('train', 'digits', '--epochs', '1', '--init', pickle);
    expect(result.stderr).toContain('safetensors.torch.save_file(model.state_dict(), FILE)');
    expect(result.status).toBe(2);
  });
});

test('Ctrl-C saves, says how to go on, and exits 130', async () => {
  const out = join(folder, 'interrupted');
  const { child, output } = await startEndless(out);
  child.kill('SIGINT');
  const status = await new Promise((resolve) => child.on('close', resolve));
  expect(status).toBe(130);
  expect(output.text).toContain(`subbit train --resume ${out}`);
  expect(subbit('eval', out).status).toBe(0);
});

test('a mistake leaves an earlier run as it was, and makes no new one', () => {
  const out = join(folder, 'kept');
  expect(subbit('train', 'digits', '--epochs', '1', '--out', out).status).toBe(0);
  const contents = () =>
    readdirSync(out, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(out, name)).isFile())
      .map((name) => [name, readFileSync(join(out, name), 'utf8')]);
  const before = contents();
  const mistakes: [string[], RegExp][] = [
    [['--teacher', 'none'], /there is no run 'none' for --teacher/],
    [['--batch', '5000'], /a batch of 5000 is more than the set's 1437/],
    [['--decay-of', 'none=1'], /none/],
    [['--tensorboard', join(out, 'run.json', 'inside')], /run\.json/],
  ];
  for (const [args, message] of mistakes) {
    const fresh = join(folder, 'not-made');
    for (const place of [
      ['--out', out, '--force'],
      ['--out', fresh],
    ]) {
      const { status, stderr } = subbit('train', 'digits', '--epochs', '1', ...place, ...args);
      expect(stderr).toMatch(message);
      expect(status).not.toBe(0);
    }
    expect(existsSync(fresh)).toBe(false);
    expect(contents()).toEqual(before);
  }
}, 60_000);

test('a run whose teacher has learned on does not go on with it', () => {
  const [teacher, student] = [join(folder, 'teacher'), join(folder, 'student')];
  const train = (...args: string[]) => subbit('train', 'digits', ...args);
  expect(train('--epochs', '1', '--out', teacher).status).toBe(0);
  expect(train('--epochs', '1', '--teacher', teacher, '--out', student).status).toBe(0);
  expect(subbit('train', '--resume', student).status).toBe(0);
  expect(train('--epochs', '2', '--out', teacher, '--force').status).toBe(0);
  const { status, stderr } = subbit('train', '--resume', student);
  expect(stderr).toMatch(/the teacher '.*teacher' is at step \d+, and was at \d+ when this run began/);
  expect(status).toBe(2);
}, 60_000);

test('two trainings cannot share a folder', async () => {
  const out = join(folder, 'shared');
  const { child } = await startEndless(out);
  const second = subbit('train', '--resume', out);
  child.kill('SIGKILL');
  expect(second.status).toBe(1);
  expect(second.stderr).toMatch(new RegExp(String(child.pid)));
});

describe('errors are one line with an exit code', () => {
  const cases: { name: string; args: string[]; status: number; message: RegExp }[] = [
    { name: 'unknown command', args: ['tran'], status: 2, message: /did you mean train/i },
    { name: 'unknown option', args: ['train', 'digits', '--bitz', '1-2-4'], status: 2, message: /--bits/ },
    { name: 'unknown preset', args: ['train', 'resnet2'], status: 2, message: /did you mean 'resnet20'/ },
    {
      name: 'bits out of range',
      args: ['train', 'digits', '--bits', '1-2-1'],
      status: 2,
      message: /gradient bits must be 2 to 8/,
    },
    {
      name: 'a 1-bit quantizer of 2-bit activations',
      args: ['train', 'digits', '--bits', '1-2-4', '--activation-quantizer', 'rsign'],
      status: 2,
      message: /rsign has 1 bit, so activation bits cannot be 2/,
    },
    {
      name: 'unknown quantizer',
      args: ['inspect', 'resnet20', '--bits', '1-1-4', '--activation-quantizer', 'rsing'],
      status: 2,
      message: /did you mean 'rsign'/,
    },
    {
      name: 'a quantizer of 2 bits and more for 1-bit weights',
      args: ['train', 'digits', '--bits', '1-2-4', '--weight-quantizer', 'lsq'],
      status: 2,
      message: /lsq has 2 to 8 bits, so weight bits cannot be 1/,
    },
    {
      name: 'quantizers of a layer, unreadable',
      args: ['inspect', 'digits', '--quantizer-of', 'conv1'],
      status: 2,
      message: /LAYER=WEIGHTS,INPUT/,
    },
    {
      name: 'quantizer of a layer, unknown',
      args: ['inspect', 'digits', '--bits', '2-2-4', '--quantizer-of', 'conv1=,pcat'],
      status: 2,
      message: /activation quantizer of conv1.*did you mean 'pact'/,
    },
    {
      name: 'RPReLU without shortcuts',
      args: ['inspect', 'digits', '--shortcut-activation', 'rprelu'],
      status: 2,
      message: /no shortcuts/,
    },
    {
      name: 'unknown compute',
      args: ['train', 'digits', '--compute', 'simulatd'],
      status: 2,
      message: /did you mean 'simulated'/,
    },
    {
      name: 'other compute on resume',
      args: ['train', '--resume', run, '--compute', 'simulated'],
      status: 2,
      message: /leave out --compute/,
    },
    { name: 'bits unreadable', args: ['train', 'digits', '--bits', '1-2'], status: 2, message: /W-A-G/ },
    {
      name: 'unknown layer',
      args: ['train', 'digits', '--bits-of', 'conv9=1-2-4'],
      status: 2,
      message: /no layer 'conv9'; did you mean/,
    },
    { name: 'unknown width', args: ['inspect', 'dorefa-svhn', '--width', 'E'], status: 2, message: /no width 'E'/ },
    { name: 'no data', args: ['train', 'resnet20'], status: 2, message: /--data/ },
    { name: 'missing folder', args: ['train', 'resnet20', '--data', './nowhere'], status: 2, message: /nowhere/ },
    { name: 'existing run', args: ['train', 'digits', '--out', run], status: 2, message: /--resume.*--force/ },
    {
      name: 'other settings on resume',
      args: ['train', '--resume', run, '--weight-decay', '1'],
      status: 2,
      message: /leave out --weight-decay/,
    },
    {
      name: 'a page of a preset',
      args: ['inspect', 'digits', '--html', 'x.html'],
      status: 2,
      message: /'digits' is no run/,
    },
    { name: 'a page of two', args: ['inspect', run, run, '--html', 'x.html'], status: 2, message: /leave out/ },
    { name: 'data of no page', args: ['inspect', run, '--data', 'digits'], status: 2, message: /needs --html/ },
    { name: 'a shell of its own', args: ['completion', 'bsh'], status: 2, message: /did you mean 'bash'/ },
    {
      name: 'a file of options on resume',
      args: ['train', '--resume', run, '--config', join(run, 'config.json')],
      status: 2,
      message: /leave out --config/,
    },
    {
      name: 'an unknown option in a file',
      args: ['train', '--config', file('unknown.json', { bitz: '1-2-4' })],
      status: 2,
      message: /unknown option 'bitz'; did you mean 'bits'/,
    },
    {
      name: 'nothing to compact',
      args: ['compact', '--codewords', '8'],
      status: 2,
      message: /needs the folder of a run/,
    },
    { name: 'missing run', args: ['eval', 'no-run'], status: 2, message: /no run 'no-run'/ },
    { name: 'unknown backend', args: ['eval', run, '--backend', 'natve'], status: 2, message: /did you mean 'native'/ },
    {
      name: 'another network',
      args: ['train', 'digits', '--bits-of', 'conv1=2-2-4', '--resume'],
      status: 2,
      message: /--resume RUN/,
    },
  ];
  test.each(cases)('$name', ({ args, status, message }) => {
    const result = subbit(...args);
    expect(result.stderr).toMatch(message);
    expect(result.status).toBe(status);
    expect(result.stdout).toBe('');
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  test('a damaged checkpoint is named, and the one before it serves', () => {
    const damaged = join(folder, 'damaged');
    json('train', 'digits', '--epochs', '1', '--checkpoint-every', '20', '--out', damaged);
    const newest = join(damaged, 'checkpoints', 'step-0000000044.safetensors');
    const bytes = readFileSync(newest);
    bytes[bytes.length - 5]! ^= 255;
    for (const name of ['step-0000000044', 'last', 'best'])
      writeFileSync(join(damaged, 'checkpoints', `${name}.safetensors`), bytes);
    const result = subbit('eval', damaged);
    expect(result.status).toBe(0);
    expect(result.stderr).toMatch(/skipped a damaged checkpoint.*step-0000000044/);
  });

  test('a checkpoint of another network is refused', () => {
    const result = subbit('train', 'dorefa-svhn', '--width', 'D', '--data', 'digits', '--epochs', '1', '--init', run);
    expect(result.stderr).toMatch(/another network: 'conv0\/filter' is \[3, 3, 1, 32\] there and \[5, 5, 3, 6\] here/);
    expect(result.status).toBe(1);
    expect(existsSync(join(folder, 'runs'))).toBe(false);
  });
});
