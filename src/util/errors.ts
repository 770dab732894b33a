/**
 * Errors that a person reads. Each message is one line that names the thing, the value received and the remedy;
 * the command line prints it without a stack and exits with `exitCode`. Anything else that is thrown is a defect of subbit.
 * Messages repeat names and texts of files that may come from anywhere, so what a terminal would act on is written out in all of them.
 */
import { printable } from './printable.js';

export class SubbitError extends Error {
  readonly exitCode: number = 1;
  override name = 'SubbitError';

  constructor(message: string, options?: ErrorOptions) {
    super(printable(message), options);
  }
}

/** Wrong use: an unknown name, an option out of range, arguments that do not fit together. */
export class UsageError extends SubbitError {
  override readonly exitCode = 2;
  override name = 'UsageError';
}

/** A file that is damaged, truncated or of another kind than it claims. */
export class FormatError extends SubbitError {
  override name = 'FormatError';
}
