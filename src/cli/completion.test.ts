import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, describe, expect, test } from 'vitest';
import { commands } from './commands/index.js';
import { commandTree, listedValues, shells } from './completion.js';

const folder = mkdtempSync(join(tmpdir(), 'subbit-completion-'));
afterAll(() => rmSync(folder, { recursive: true }));

const program = new Command('subbit');
for (const command of commands) command.register(program);
const listed = await listedValues();
const tree = commandTree(program, listed);

/** Every command below the program, as the parser has them. */
function allCommands(command: Command): Command[] {
  return command.commands.flatMap((child) => [child as Command, ...allCommands(child as Command)]);
}

test('listed values are of options that there are', () => {
  const longs = new Set(allCommands(program).flatMap(({ options }) => options.map(({ long }) => long)));
  expect(Object.keys(listed).filter((flag) => !longs.has(flag))).toEqual([]);
  for (const values of Object.values(listed)) expect(values.length).toBeGreaterThan(0);
  expect(listed['--data']).not.toContain('pictures');
});

describe.each(Object.entries(shells))('%s', (shell, write) => {
  const script = write(tree);

  test('names every command and every option', () => {
    const found = allCommands(program);
    expect(found.length).toBeGreaterThan(12);
    for (const command of found) {
      expect(script).toContain(command.name());
      for (const { long } of command.options)
        expect(script, `${command.name()} ${long}`).toMatch(shell === 'fish' ? `-l ${long!.slice(2)}` : long!);
    }
    for (const value of ['resnet20', 'cosine', 'native', 'fashion-mnist']) expect(script).toContain(value);
  });

  const runs = spawnSync(shell, ['-c', 'true']).status === 0;
  test.skipIf(!runs)('is accepted by the shell (skipped without it)', () => {
    const file = join(folder, shell);
    writeFileSync(file, script);
    const { status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
    expect(stderr + status).toBe('0');
  });
});

describe('bash completes', () => {
  /** What Tab offers after these words; the last is the one under the cursor. */
  function offers(...words: string[]): string[] {
    const list = words.map((word) => `'${word}'`).join(' ');
    const input = `${shells.bash(tree)}\nCOMP_WORDS=(subbit ${list}); COMP_CWORD=${words.length}; _subbit; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync('bash', { input, encoding: 'utf8', cwd: import.meta.dirname });
    expect(stderr).toBe('');
    return stdout.trim().split('\n');
  }

  test.each([
    [['tr'], ['train']],
    [['data', 'l'], ['list']],
    [['train', 'resnet20', '--sch'], ['--schedule']],
    [
      ['train', '--schedule', 'c'],
      ['constant', 'cosine'],
    ],
    [['bench', 'train', 'vgg'], ['vgg-small']],
    [['bench', 'train', '--py'], ['--python']],
    [
      ['train', '--config', 'completion.t'],
      ['completion.ts', 'completion.test.ts'],
    ],
    [['train', '--epochs', ''], ['']],
  ])('%j', (words, expected) => {
    expect(offers(...words).sort()).toEqual([...expected].sort());
  });
});
