import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FormatError, SubbitError, UsageError } from '../util/errors.js';
import { checkpointFolder, saveCheckpoint } from './checkpoint.js';
import { MetricsWriter, metricsFile } from './metrics.js';
import { configFile, RunFolder, readRunConfig } from './run-folder.js';

let folder: string;
let runs: string;
let run: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'subbit-run-'));
  runs = join(folder, 'runs');
  run = join(folder, 'mine');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const name = 'small-1-2-4';
const config = { preset: 'small', bits: '1-2-4' };

/** All paths below `run`. */
const contents = (): string[] => (readdirSync(run, { recursive: true }) as string[]).sort();

/** A run as a training leaves it. */
function finishedRun(): void {
  const created = RunFolder.create({ out: run, name, config });
  const history = { bestAccuracy: 0, bestEpoch: 0 };
  saveCheckpoint(
    run,
    { step: 1, epoch: 1, batch: 1, seed: 1, tensors: {}, network: config, history },
    { isBest: true },
  );
  new MetricsWriter(metricsFile(run), 0).close();
  created.close();
}

describe('RunFolder.create', () => {
  it('takes the smallest free number', () => {
    for (const taken of [1, 2, 4]) mkdirSync(join(runs, `${name}-${taken}`), { recursive: true });
    const first = RunFolder.create({ name, runs, config });
    const second = RunFolder.create({ name, runs, config });
    expect([first.path, second.path]).toEqual([join(runs, `${name}-3`), join(runs, `${name}-5`)]);
    first.close();
    second.close();
  });

  it('makes the folder that is asked for, with its parents, and locks it', () => {
    const out = join(folder, 'a', 'b');
    const created = RunFolder.create({ out, name, config });
    expect(readdirSync(out).sort()).toEqual(['lock', 'run.json']);
    created.close();
    expect(readdirSync(out)).toEqual(['run.json']);
    expect(readRunConfig(out)).toEqual(config);
  });

  it('uses an existing folder with files of other names', () => {
    mkdirSync(run);
    writeFileSync(join(run, 'notes.txt'), '');
    RunFolder.create({ out: run, name, config }).close();
    expect(contents()).toEqual(['notes.txt', 'run.json']);
  });

  it('refuses an existing run, naming the remedies, and leaves it as it is', () => {
    finishedRun();
    const before = contents();
    const create = () => RunFolder.create({ out: run, name, config: { preset: 'other' } });
    expect(create).toThrow(UsageError);
    expect(create).toThrow(
      `'${run}' already holds a run: go on with it (--resume), replace it (--force), or choose another folder (--out)`,
    );
    expect(contents()).toEqual(before);
    expect(readRunConfig(run)).toEqual(config);
  });

  it('replaces a run when forced, and removes nothing but what subbit wrote', () => {
    finishedRun();
    const kept = [join(run, 'notes.txt'), join(checkpointFolder(run), 'mine.safetensors'), join(run, '.notes')];
    for (const file of kept) writeFileSync(file, 'mine');
    writeFileSync(join(run, '.run.json.1-0a1b2c3d.subbit-tmp'), '');
    RunFolder.create({ out: run, name, force: true, config: { preset: 'other' } }).close();
    expect(contents()).toEqual(['.notes', 'checkpoints', 'checkpoints/mine.safetensors', 'notes.txt', 'run.json']);
    expect(readRunConfig(run)).toEqual({ preset: 'other' });
    rmSync(kept[1]!);
    RunFolder.create({ out: run, name, force: true, config }).close();
    expect(existsSync(checkpointFolder(run))).toBe(false);
  });

  it('removes a link in place of a checkpoint, not what it points to', () => {
    finishedRun();
    const target = join(folder, 'precious.safetensors');
    writeFileSync(target, 'precious');
    rmSync(join(checkpointFolder(run), 'best.safetensors'));
    symlinkSync(target, join(checkpointFolder(run), 'best.safetensors'));
    RunFolder.create({ out: run, name, force: true, config }).close();
    expect(readFileSync(target, 'utf8')).toBe('precious');
  });

  it.each([
    ['run.json', () => writeFileSync(join(run, 'run.json'), '{"format": "something else"}')],
    ['run.json', () => writeFileSync(join(run, 'run.json'), 'no JSON')],
    ['metrics.jsonl', () => writeFileSync(join(run, 'metrics.jsonl'), '')],
    ['checkpoints', () => mkdirSync(join(run, 'checkpoints'))],
  ])("refuses a folder with somebody else's %s, forced or not", (what, make) => {
    mkdirSync(run);
    make();
    for (const force of [false, true]) {
      const create = () => RunFolder.create({ out: run, name, force, config });
      expect(create).toThrow(UsageError);
      expect(create).toThrow(`'${run}' holds '${join(run, what)}', not written by subbit`);
    }
    expect(contents()).toEqual([what]);
  });

  it('does not force a live training out of its folder', () => {
    const live = RunFolder.create({ out: run, name, config });
    expect(() => RunFolder.create({ out: run, name, force: true, config })).toThrow(`process ${process.pid}`);
    live.close();
  });

  it('names a folder that cannot be created', () => {
    writeFileSync(run, 'a file');
    expect(() => RunFolder.create({ out: run, name, config })).toThrow(`cannot create the folder '${run}'`);
    expect(() => RunFolder.create({ runs: run, name, config })).toThrow(SubbitError);
  });
});

describe('RunFolder.resume', () => {
  it('locks a run, cleans up after a crash and changes nothing else', () => {
    finishedRun();
    const before = contents();
    for (const place of [run, checkpointFolder(run)]) writeFileSync(join(place, '.x.1-0a1b2c3d.subbit-tmp'), '');
    const resumed = RunFolder.resume(run);
    expect(() => RunFolder.resume(run)).toThrow('in use');
    resumed.writeConfig({ ...config, epochs: 2 });
    resumed.close();
    expect(contents()).toEqual(before);
    expect(readRunConfig(run)).toEqual({ ...config, epochs: 2 });
  });

  it('refuses what is no run', () => {
    for (const path of [folder, join(folder, 'none')]) {
      expect(() => RunFolder.resume(path)).toThrow(UsageError);
      expect(() => RunFolder.resume(path)).toThrow(`'${path}' is not a run folder: it has no run.json`);
    }
  });
});

describe('readRunConfig', () => {
  it.each<[string, string, typeof SubbitError]>([
    ['{"format":', 'is not valid JSON (damaged)', FormatError],
    ['null', 'was not written by subbit (its format is nothing)', FormatError],
    ['{"format": "x", "version": 1}', 'was not written by subbit (its format is "x")', FormatError],
    ['{"format": "subbit run", "version": "1"}', 'the version is "1", not a number', FormatError],
    [
      '{"format": "subbit run", "version": 2}',
      'has version 2, and this subbit reads up to 1: update subbit',
      SubbitError,
    ],
  ])('refuses %s', (text, rule, kind) => {
    mkdirSync(run);
    writeFileSync(configFile(run), text);
    expect(() => readRunConfig(run)).toThrow(kind);
    expect(() => readRunConfig(run)).toThrow(`'${configFile(run)}'`);
    expect(() => readRunConfig(run)).toThrow(rule);
  });

  it.each([
    ['format', (value: string) => `{"format": ${value}}`],
    ['version', (value: string) => `{"format": "subbit run", "version": ${value}}`],
  ])('refuses a %s that is nested more deeply than it can be shown', (key, textOf) => {
    mkdirSync(run);
    writeFileSync(configFile(run), textOf(`${'['.repeat(100_000)}${']'.repeat(100_000)}`));
    expect(() => readRunConfig(run)).toThrow(FormatError);
    expect(() => readRunConfig(run)).toThrow(`${key} is a deeply nested value`);
  });
});

/** Compiles a source file and all it imports into `folder`, for processes that know no TypeScript; returns the file's new path. */
function compile(source: URL, done = new Set<string>()): string {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const target = join(folder, 'js', fileURLToPath(source).slice(root.length)).replace(/\.ts$/, '.js');
  if (done.has(target)) return target;
  done.add(target);
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true };
  const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), { compilerOptions });
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, outputText);
  writeFileSync(join(folder, 'js', 'package.json'), '{"type":"module"}');
  for (const [, path] of outputText.matchAll(/ from '(\..*)\.js'/g)) compile(new URL(`${path}.ts`, source), done);
  return target;
}

describe('several processes', () => {
  const children: ChildProcessWithoutNullStreams[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  /** A process that says it is ready, evaluates `expression` when its input says so, prints the path or the error, and stays. */
  function start(
    module: string,
    expression: string,
  ): { child: ChildProcessWithoutNullStreams; line: () => Promise<string> } {
    const code = `
      import { RunFolder } from ${JSON.stringify(module)};
      process.stdin.once('data', () => {
        try { console.log((${expression}).path); } catch (error) { console.log(error.name + ': ' + error.message); }
      });
      console.log('ready');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
    children.push(child);
    return { child, line: async () => String((await once(child.stdout, 'data'))[0]).trim() };
  }

  async function together(count: number, expression: string): Promise<string[]> {
    // Once, before any process starts: one that reads a file while it is written again would die.
    const module = compile(new URL('./run-folder.ts', import.meta.url));
    const all = Array.from({ length: count }, () => start(module, expression));
    await Promise.all(all.map(({ line }) => line()));
    const lines = all.map(({ line }) => line());
    for (const { child } of all) child.stdin.write('go');
    return Promise.all(lines);
  }

  it('that start together get different folders, and give their locks back when they exit', {
    timeout: 60_000,
  }, async () => {
    const paths = await together(4, `RunFolder.create(${JSON.stringify({ name, runs, config })})`);
    expect(paths.sort()).toEqual([1, 2, 3, 4].map((n) => join(runs, `${name}-${n}`)));
    expect(paths.map((path) => existsSync(join(path, 'lock')))).toEqual([true, true, true, true]);
    await Promise.all(
      children.map((child) => {
        child.stdin.end();
        return once(child, 'exit');
      }),
    );
    expect(paths.map((path) => existsSync(join(path, 'lock')))).toEqual([false, false, false, false]);
  });

  it('cannot both take over the lock of a killed one', { timeout: 60_000 }, async () => {
    expect(await together(1, `RunFolder.create(${JSON.stringify({ out: run, name, config })})`)).toEqual([run]);
    const [killed] = children.splice(0);
    killed!.kill('SIGKILL');
    await once(killed!, 'exit');
    expect(existsSync(join(run, 'lock'))).toBe(true);
    const outcomes = await together(4, `RunFolder.resume(${JSON.stringify(run)})`);
    expect(outcomes.filter((outcome) => outcome === run)).toHaveLength(1);
    const refusal = /^SubbitError: .*(is in use by|is just being taken over)/;
    expect(outcomes.filter((outcome) => refusal.test(outcome))).toHaveLength(3);
  });
});
