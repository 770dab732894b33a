/** What a command is. A new one is a file in `commands/` and a line in its list. */
import type { Command as Parser } from 'commander';
import { UsageError } from '../util/errors.js';

export interface CliCommand {
  /** Adds the command, its arguments, options and action to the parser. */
  register(program: Parser): void;
}

/** The flag of an option by its property: renewEvery -> --renew-every */
export function flagOf(property: string): string {
  return `--${property.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** A commander argument parser for integers in lowest .. highest. */
export function integer(
  option: string,
  lowest: number,
  highest: number = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < lowest || value > highest) {
      const range = highest === Number.MAX_SAFE_INTEGER ? `of at least ${lowest}` : `in ${lowest}..${highest}`;
      throw new UsageError(`${option} must be an integer ${range}, not '${text}'`);
    }
    return value;
  };
}

/** A commander argument parser for numbers of at least `lowest`. */
export function number(option: string, lowest: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < lowest) {
      throw new UsageError(`${option} must be a number of at least ${lowest}, not '${text}'`);
    }
    return value;
  };
}

/** A commander argument parser for numbers in 0..1. */
export function share(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= 0 && value <= 1))
      throw new UsageError(`${option} must be a number in 0..1, not '${text}'`);
    return value;
  };
}

/** The options that choose where a command computes. */
export interface BackendOptions {
  readonly backend?: string;
  readonly threads?: number;
}

export function addBackendOptions(parser: Parser): Parser {
  return parser
    .option(
      '--backend <name>',
      'native, wasm, webgpu or reference; the faster of the first two that is built by default',
    )
    .option('--threads <n>', 'threads; all cores by default', integer('--threads', 1, 256));
}
