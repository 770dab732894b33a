import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, describe, expect, test } from 'vitest';
import { FormatError, SubbitError, UsageError } from '../util/errors.js';
import { integer } from './command.js';
import { addConfigOption, commandLineOf, configOf } from './config-file.js';
import { addNetworkOptions } from './network-options.js';

const folder = mkdtempSync(join(tmpdir(), 'subbit-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

interface Parsed {
  readonly preset: string | undefined;
  readonly options: Record<string, unknown>;
  readonly command: Command;
}

/** A command like train, given these words. */
async function parse(...words: string[]): Promise<Parsed> {
  let parsed: Parsed | undefined;
  const command = new Command('train')
    .argument('[preset]')
    .option('--epochs <n>', '', integer('--epochs', 1))
    .option('--out <dir>')
    .option('--flip')
    .option('--no-flip')
    .option('--tensorboard [dir]')
    .option('--checkpoint-every <n>', '', integer('--checkpoint-every', 1), 500);
  addConfigOption(addNetworkOptions(command)).action(
    (preset: string | undefined, options: Record<string, unknown>, self: Command) => {
      parsed = { preset, options: { ...options }, command: self };
    },
  );
  await command.parseAsync(words, { from: 'user' });
  return parsed!;
}

const given = {
  ...{
    preset: 'digits',
    epochs: 3,
    bits: '1-2-4',
    flip: false,
    first: true,
    'checkpoint-every': 20,
    tensorboard: true,
  },
  bitsOf: { conv1: '2-2-4', conv2: '8-8-8' },
  'quantizer-of': { conv2: ',dorefa' },
};

describe('a file', () => {
  test('gives argument and options, parsed as on the command line', async () => {
    const { preset, options } = await parse('--config', file('run.json', JSON.stringify(given)));
    expect(preset).toBe('digits');
    const expected = { epochs: 3, bits: '1-2-4', flip: false, first: true, checkpointEvery: 20, tensorboard: true };
    expect(options).toMatchObject({ ...expected, bitsOf: given.bitsOf, quantizerOf: given['quantizer-of'] });
  });

  test('yields to the command line', async () => {
    const path = file('run.json', JSON.stringify(given));
    const { preset, options } = await parse('resnet20', '--config', path, '--epochs', '9', '--flip');
    expect(preset).toBe('resnet20');
    expect(options).toMatchObject({ epochs: 9, flip: true, bits: '1-2-4' });
  });

  test.each(['run.mjs', 'run.ts'])('may be a module: %s', async (name) => {
    const types = name.endsWith('.ts') ? ': number' : '';
    file('shared.mjs', 'export const bits = "1-1-4";');
    const path = file(
      name,
      `import { bits } from './shared.mjs'; const epochs${types} = 4; export default { bits, epochs };`,
    );
    expect((await parse('--config', path)).options).toMatchObject({ epochs: 4, bits: '1-1-4' });
  });

  test.each([
    ['epoch.json', '{"epoch": 3}', UsageError, /unknown option 'epoch'; did you mean 'epochs'\?/],
    ['proto.json', '{"__proto__": {"epochs": 3}}', UsageError, /unknown option '__proto__'/],
    ['itself.json', '{"config": "x"}', UsageError, /unknown option 'config'/],
    ['range.json', '{"epochs": 0}', UsageError, /range\.json': --epochs must be an integer of at least 1, not '0'/],
    ['type.json', '{"flip": "yes"}', UsageError, /flip must be true or false, not "yes"/],
    ['list.json', '{"epochs": [3]}', UsageError, /epochs must be a string or a number, not \[3\]/],
    ['preset.json', '{"preset": 7}', UsageError, /preset must be a string/],
    ['other.json', '{"command": "compact"}', UsageError, /about "compact", not about train/],
    ['array.json', '[]', UsageError, /must hold an object/],
    ['text.json', 'epochs: 3', FormatError, /not valid JSON/],
    ['throws.mjs', 'throw new Error("no\\nway")', SubbitError, /cannot run '.*throws\.mjs': no$/],
    ['nothing.mjs', 'export const a = 1;', UsageError, /no default export/],
  ])('%s is refused', async (name, text, type, message) => {
    const failing = parse('--config', file(name, text));
    await expect(failing).rejects.toThrow(type);
    await expect(failing).rejects.toThrow(message);
  });

  test('that is missing or huge is refused', async () => {
    await expect(parse('--config', join(folder, 'none.json'))).rejects.toThrow(/there is no file/);
    await expect(parse('--config', join(folder, 'none.mjs'))).rejects.toThrow(/there is no file/);
    await expect(parse('--config', file('huge.json', ' '.repeat(2 ** 21)))).rejects.toThrow(/too many/);
  });
});

test('what a command was given is a file again, and a line for the shell', async () => {
  const { command, options } = await parse('--config', file('run.json', JSON.stringify(given)), '--out', 'a b');
  const config = configOf(command, { epochs: 7, bits: undefined });
  expect(config).toMatchObject({ command: 'train', preset: 'digits', epochs: 7, bits: '1-2-4', checkpointEvery: 20 });
  expect(config).not.toHaveProperty('out');
  const again = await parse('--config', file('again.json', JSON.stringify(config)));
  const { out, config: _, ...others } = options;
  expect(out).toBe('a b');
  expect(again.options).toMatchObject({ ...others, epochs: 7 });
  const line = commandLineOf(command, config);
  expect(line).toMatch(/^subbit train digits .*--no-flip.* --bits-of conv1=2-2-4 --bits-of conv2=8-8-8/);
  expect(line).not.toContain('--activation');
  const { preset, options: typed } = await parse(...line.split(' ').slice(2));
  expect(preset).toBe('digits');
  expect(typed).toMatchObject({ ...others, epochs: 7 });
  expect(commandLineOf(command, { ...config, preset: "it's" })).toContain(`train 'it'\\''s' `);
});
