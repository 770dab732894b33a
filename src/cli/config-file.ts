/**
 * Configuration files: the argument and the options of a command in a file, by their long names (`weightDecay` or `weight-decay`), as
 * JSON or as the default export of a module. What stands on the command line wins. Values go through the same parsers as there.
 *
 *     {"command": "train", "preset": "resnet20", "data": "cifar10", "bits": "1-2-4", "bitsOf": {"conv1": "2-2-4"}, "flip": false}
 */
import { readFileSync, statSync } from 'node:fs';
import type { Option, Command as Parser } from 'commander';
import { FormatError, UsageError } from '../util/errors.js';
import { importDefault } from '../util/import-module.js';
import { nearest } from '../util/nearest.js';

/** What a file may not say: it is about the file itself, or about a run that keeps its own settings. */
const refused: ReadonlySet<string> = new Set(['config', 'resume']);

/** What does not belong to a run that is to be repeated. */
const passing: ReadonlySet<string> = new Set([...refused, 'out', 'force', 'json']);

const largestFile = 1 << 20;

/** Adds --config. The command's first argument may then come from the file, so it must be optional. */
export function addConfigOption(parser: Parser): Parser {
  return parser
    .option('--config <file>', 'options and argument from a .json, .js, .mjs or .ts file; the command line wins')
    .hook('preAction', async (_, command) => {
      const file = command.getOptionValue('config') as string | undefined;
      if (file !== undefined) applyConfig(command, file, await readConfig(file));
    });
}

/** Throws a UsageError for a file that is missing or no object, a FormatError for one that is no JSON. */
async function readConfig(file: string): Promise<Readonly<Record<string, unknown>>> {
  const isModule = /\.[cm]?[jt]s$/.test(file);
  const value = isModule ? await importDefault(file) : readJson(file);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(`'${file}' must hold an object of options, like {"preset": "digits", "bits": "1-2-4"}`);
  return value as Record<string, unknown>;
}

function readJson(file: string): unknown {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw new UsageError(`there is no file '${file}'`);
  if (size > largestFile)
    throw new FormatError(`'${file}' has ${size} bytes: too many for a file of options, which may have ${largestFile}`);
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new FormatError(`'${file}' is not valid JSON: ${(error as Error).message.split('\n')[0]}`, { cause: error });
  }
}

/** Gives the parsed command what the file says and the command line does not. Throws UsageErrors that name the file. */
export function applyConfig(command: Parser, file: string, config: Readonly<Record<string, unknown>>): void {
  const argument = command.registeredArguments[0]?.name();
  const options = optionsByName(command);
  for (const [key, value] of Object.entries(config)) {
    const name = camelCase(key);
    if (name === 'command') {
      if (value !== command.name())
        throw new UsageError(`'${file}' is about ${JSON.stringify(value)}, not about ${command.name()}`);
    } else if (name === argument) {
      if (typeof value !== 'string') throw new UsageError(`'${file}': ${key} must be a string, not ${textOf(value)}`);
      command.processedArgs[0] ??= value;
    } else {
      const option = refused.has(name) ? undefined : options.get(name);
      if (option === undefined) throw unknownKey(file, key, [argument ?? '', ...options.keys()]);
      const parsed = parsedValue(file, option, value);
      if (command.getOptionValueSource(name) !== 'cli') command.setOptionValueWithSource(name, parsed, 'config');
    }
  }
}

/** The options of a command by property; the positive one of a pair like --flip and --no-flip. */
function optionsByName(command: Parser): Map<string, Option> {
  const options = new Map<string, Option>();
  for (const option of command.options) {
    const name = option.attributeName();
    if (!options.has(name) || !option.negate) options.set(name, option);
  }
  return options;
}

function unknownKey(file: string, key: string, known: readonly string[]): UsageError {
  const names = known.filter((name) => name !== '' && !refused.has(name));
  const near = nearest(camelCase(key), names);
  const hint = near === undefined ? '' : `; did you mean '${near}'?`;
  return new UsageError(`'${file}': unknown option '${key}'${hint} (known: ${names.join(', ')})`);
}

function parsedValue(file: string, option: Option, value: unknown): unknown {
  const takesValue = option.required || option.optional;
  if (typeof value === 'boolean' && (!takesValue || option.optional)) return takesValue && !value ? undefined : value;
  const isText = typeof value === 'string' || typeof value === 'number';
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!takesValue || !(isText || (isRecord && option.parseArg))) {
    const wanted = takesValue ? 'a string or a number' : 'true or false';
    throw new UsageError(`'${file}': ${option.attributeName()} must be ${wanted}, not ${textOf(value)}`);
  }
  try {
    if (!isRecord) return option.parseArg ? option.parseArg(String(value), undefined) : String(value);
    // An option that may be repeated, like --bits-of LAYER=W-A-G.
    const pairs = Object.entries(value).map(([key, each]) => `${key}=${String(each)}`);
    return pairs.reduce((before: unknown, pair) => option.parseArg!(pair, before), undefined);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`'${file}': ${error.message}`, { cause: error });
    throw error;
  }
}

/** What a command was given, defaults included, as a configuration file says it; `decided` is what it made of what was left open. */
export function configOf(command: Parser, decided: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const argument = command.registeredArguments[0]!.name();
  const given = Object.entries(command.opts()).filter(([name, value]) => !passing.has(name) && value !== undefined);
  const made = Object.entries(decided).filter(([, value]) => value !== undefined);
  return {
    command: command.name(),
    [argument]: command.processedArgs[0] as string | undefined,
    ...Object.fromEntries(given),
    ...Object.fromEntries(made),
  };
}

/** The same as a line for a shell, without what is the default anyway. */
export function commandLineOf(command: Parser, config: Readonly<Record<string, unknown>>): string {
  const argument = command.registeredArguments[0]!.name();
  const words = ['subbit', command.name(), ...(config[argument] === undefined ? [] : [String(config[argument])])];
  for (const [name, option] of optionsByName(command)) {
    const value = config[name];
    if (value === undefined || value === option.defaultValue) continue;
    if (value === true) words.push(option.long!);
    else if (value === false) words.push(...negated(command, name));
    else if (typeof value === 'object')
      for (const [key, each] of Object.entries(value as object)) words.push(option.long!, `${key}=${each}`);
    else words.push(option.long!, String(value));
  }
  return words.map(quoted).join(' ');
}

function negated(command: Parser, name: string): string[] {
  return command.options.filter((option) => option.negate && option.attributeName() === name).map(({ long }) => long!);
}

function quoted(word: string): string {
  return /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function camelCase(key: string): string {
  return key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function textOf(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 80);
}
