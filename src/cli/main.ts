#!/usr/bin/env node
/** The `subbit` command: parses, runs one command, and turns errors into one line and an exit code (2 wrong use, 1 failure). */
import { Command, CommanderError } from 'commander';
import { SubbitError } from '../util/errors.js';
import { commands } from './commands/index.js';
import { ownVersion } from './packages.js';

async function main(): Promise<void> {
  const program = new Command('subbit')
    .description('Train convolutional networks at a few bits, and run them fast')
    .version(ownVersion())
    .showHelpAfterError('(add --help for the options)')
    .configureHelp({ showGlobalOptions: true })
    .enablePositionalOptions();
  for (const command of commands) command.register(program);
  exitOverrideAll(program);
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = report(error);
  }
}

function exitOverrideAll(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) exitOverrideAll(child as Command);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof SubbitError) {
    process.stderr.write(`subbit: ${error.message}\n`);
    return error.exitCode;
  }
  // A file that cannot be read or written is the user's to mend; anything else is a defect and shows where it happened.
  const isSystemError = error instanceof Error && 'syscall' in error;
  process.stderr.write(
    `subbit: ${isSystemError ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
  );
  return 1;
}

// A reader that closes the pipe (`subbit ... | head`) ends the command quietly.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

await main();
