/** --model FILE: a network of the user's own in the place of a preset, the same for every command that builds one. */
import { readFileSync, statSync } from 'node:fs';
import { basename, extname } from 'node:path';
import type { Command as Parser } from 'commander';
import { type Preset, presets } from '../nn/models/index.js';
import { hashOf, presetOfCode } from '../nn/models/model-code.js';
import { presetOfJson } from '../nn/models/model-json.js';
import type { NetworkDescription } from '../nn/network.js';
import { UsageError } from '../util/errors.js';
import { lookUp } from '../util/nearest.js';

export interface ModelOption {
  readonly model?: string;
}

export function addModelOption(parser: Parser): Parser {
  return parser.option(
    '--model <file>',
    'a network of your own in the place of a preset: layers as .json, or a module (.ts, .mts, .js, .mjs) that exports a preset',
  );
}

/** A network that a command is to build. */
export interface Chosen {
  readonly preset: Preset;
  /** Its part of the description. */
  readonly choice: Pick<NetworkDescription, 'preset' | 'model'>;
}

/** Models are kept with every checkpoint. */
const maxBytes = 2 ** 20;

/** The preset of this name, or the model; undefined when neither is given. Throws a UsageError when both are. */
export async function choosePreset(name: string | undefined, { model }: ModelOption): Promise<Chosen | undefined> {
  if (model === undefined) {
    if (name === undefined) return undefined;
    const preset = lookUp(presets, name, 'preset');
    return { preset, choice: { preset: preset.name } };
  }
  if (name !== undefined) throw new UsageError(`--model ${model} takes the place of a preset; leave out '${name}'`);
  return openModelFile(model);
}

async function openModelFile(path: string): Promise<Chosen> {
  const source = readModelFile(path);
  const ending = extname(path);
  // It names the folder of a run.
  const name = basename(path, ending).replace(/[^\w.-]/g, '-');
  if (ending === '.json') {
    const json = parse(path, source);
    return { preset: presetOfJson(name, json), choice: { preset: name, model: { json } } };
  }
  if (!['.ts', '.mts', '.js', '.mjs'].includes(ending))
    throw new UsageError(`a model is a file that ends in .json, .ts, .mts, .js or .mjs, not '${path}'`);
  const code = { file: basename(path), source, sha256: hashOf(source) };
  return { preset: await presetOfCode(name, code), choice: { preset: name, model: { code } } };
}

function readModelFile(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > maxBytes) throw new UsageError(`the model '${path}' has ${size} bytes; ${maxBytes} are the most`);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`cannot read the model '${path}': ${(error as Error).message}`);
  }
}

function parse(path: string, source: string): unknown {
  try {
    return JSON.parse(source);
  } catch (error) {
    throw new UsageError(`the model '${path}' is not valid JSON: ${(error as Error).message.split('\n')[0]}`);
  }
}
