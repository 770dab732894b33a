/**
 * Same seed, same bits: twice, with one and two threads, and when the process is killed (SIGKILL) and resumed; also of a run that selects
 * codewords, with noise. Runs the built command line; KILLS=10 tries more often.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lastFile, loadCheckpoint } from '../src/train/checkpoint.js';
import { metricsFile, readMetrics } from '../src/train/metrics.js';
import { Philox } from '../src/util/philox.js';

const cli = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'subbit-determinism-'));
afterAll(() => rmSync(folder, { recursive: true }));

const plain = ['digits', '--bits', '1-2-4', '--epochs', '3', '--crop', '1', '--checkpoint-every', '5'];
const totalSteps = 3 * Math.floor(1437 / 32);

function start(...args: readonly string[]): { child: ChildProcess; ended: Promise<number | null> } {
  const child = spawn(process.execPath, [cli, 'train', ...args], { stdio: 'ignore' });
  return { child, ended: new Promise((resolve) => child.on('exit', resolve)) };
}

async function trainTo(recipe: readonly string[], name: string, ...args: string[]): Promise<string> {
  const path = join(folder, name);
  expect(await start(...recipe, '--out', path, ...args).ended).toBe(0);
  return path;
}

/** Everything a run leaves but times. */
function outcome(run: string) {
  const { tensors, history, step } = loadCheckpoint(lastFile(run));
  const lines = readMetrics(metricsFile(run)).map((line) =>
    Object.fromEntries(Object.entries(line).filter(([key]) => !/imagesPerSecond|seconds$/i.test(key))),
  );
  const bits = Object.fromEntries(
    Object.entries(tensors).map(([name, { data }]) => [
      name,
      Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
    ]),
  );
  return { step, history, lines, bits, file: readFileSync(lastFile(run), 'base64') };
}

const recipes = [
  { name: 'plain', recipe: plain },
  { name: 'codewords', recipe: [...plain, '--codewords', '16', '--renew-every', '4', '--noise', '0.05'] },
];

describe.each(recipes)('$name', ({ name, recipe }) => {
  let reference: ReturnType<typeof outcome>;

  beforeAll(async () => {
    reference = outcome(await trainTo(recipe, `${name}-reference`, '--threads', '2'));
    expect(reference.step).toBe(totalSteps);
  }, 120_000);

  test('the same run twice is the same, bit for bit', async () => {
    expect(outcome(await trainTo(recipe, `${name}-twice`, '--threads', '2'))).toEqual(reference);
  });

  test('one thread gives the same bits as two', async () => {
    expect(outcome(await trainTo(recipe, `${name}-one-thread`, '--threads', '1'))).toEqual(reference);
  });

  test('another seed gives another run', async () => {
    const other = outcome(await trainTo(recipe, `${name}-other-seed`, '--threads', '2', '--seed', '2'));
    expect(other.bits['conv1/filter']).not.toEqual(reference.bits['conv1/filter']);
  });

  test('killed at a random step and resumed, it ends with the same bits', async () => {
    const random = new Philox(Date.now() % 2 ** 31, 'kills');
    for (let i = 0; i < Number(process.env.KILLS ?? 2); i++) {
      const run = join(folder, `${name}-killed-${i}`);
      const first = start(...recipe, '--out', run, '--threads', '2');
      const step = 1 + random.nextInt(totalSteps - 1);
      while (first.child.exitCode === null && stepsIn(run) < step)
        await new Promise((resolve) => setTimeout(resolve, 2));
      first.child.kill('SIGKILL');
      await first.ended;
      expect(await start('--resume', run, '--threads', '2').ended, `resume after a kill at step ${step}`).toBe(0);
      expect(outcome(run), `killed at step ${step}`).toEqual(reference);
      rmSync(run, { recursive: true });
    }
  }, 300_000);
});

/** Steps that the metrics show so far; the file is written about once a second and before checkpoints. */
function stepsIn(run: string): number {
  if (!existsSync(metricsFile(run))) return 0;
  return readFileSync(metricsFile(run), 'utf8').split('\n').length - 1;
}
