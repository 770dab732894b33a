/**
 * A network of the user's own as code: a module of JavaScript or TypeScript whose default export is a `Preset`. Its text is kept with the
 * run, so a run can be built again wherever it is; so the module is one file, which imports subbit, Node's own modules and nothing else.
 * Whoever opens such a run runs its code. TypeScript is compiled by the package typescript, when there is one.
 */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { SubbitError, UsageError } from '../../util/errors.js';
import { sha256 } from '../../util/sha256.js';
import { withoutTypes } from '../../util/without-types.js';
import { ownTraining, type Preset } from './preset.js';

export interface ModelCode {
  /** Its name, whose ending tells the language. */
  readonly file: string;
  readonly source: string;
  /** Of the source, in hexadecimal. */
  readonly sha256: string;
}

export function hashOf(source: string): string {
  return sha256([new TextEncoder().encode(source)]);
}

/** Runs the module. Throws a SubbitError when its text is not what it was, a UsageError when it exports no preset. */
export async function presetOfCode(name: string, { file, source, sha256: expected }: ModelCode): Promise<Preset> {
  if (hashOf(source) !== expected)
    throw new SubbitError(`the code of the model ${file} is not what the run was made with (its SHA-256 differs)`);
  const script = /\.[mc]?ts$/.test(file) ? await withoutTypes(file, source) : source;
  let found: { readonly default?: unknown };
  try {
    // As data, because the file may be gone; there bare names have no meaning, so subbit's become addresses.
    found = (await import(`data:text/javascript,${encodeURIComponent(resolved(script))}`)) as typeof found;
  } catch (error) {
    if (error instanceof SubbitError) throw error;
    const [line] = String((error as Error).message).split('\n');
    throw new UsageError(
      `the model ${file} cannot be loaded: ${shortened(line!)}; it may import subbit and Node's modules (node:..), and nothing else`,
    );
  }
  return { training: ownTraining, ...requirePreset(file, found.default), name };
}

/** A data URL is as long as the file. */
function shortened(text: string): string {
  return text.replace(/data:text\/javascript,\S*/g, 'the model');
}

/** With the places of subbit's own modules for their names. */
function resolved(script: string): string {
  const { resolve } = createRequire(import.meta.url);
  return script.replace(
    /(\bfrom\s*|\bimport\s*\(?\s*)(['"])(subbit(?:\/\w+)?)\2/g,
    (_, before: string, __, module: string) => `${before}${JSON.stringify(pathToFileURL(resolve(module)).href)}`,
  );
}

function requirePreset(file: string, value: unknown): Omit<Preset, 'training'> & Partial<Pick<Preset, 'training'>> {
  const { input, first, last, build } = Object(value) as Partial<Preset>;
  const { height, width, channels } = Object(input) as Partial<Preset['input']>;
  const isCount = (extent: unknown): boolean => Number.isInteger(extent) && (extent as number) >= 1;
  const lacks = [
    [typeof build === 'function', 'build, a function from {classes} to a layer'],
    [[height, width, channels].every(isCount), 'input: {height, width, channels}'],
    [typeof first === 'string' && typeof last === 'string', 'first and last, names of layers'],
  ].find(([holds]) => !holds);
  if (lacks !== undefined)
    throw new UsageError(`the model ${file} must export a preset as its default; it lacks ${lacks[1]}`);
  return value as Preset;
}
