/** The list of commands, in the order of the help. */
import type { CliCommand } from '../command.js';
import { benchCommand } from './bench.js';
import { dataCommand } from './data.js';
import { evalCommand } from './eval.js';
import { inspectCommand } from './inspect.js';
import { trainCommand } from './train.js';

export const commands: readonly CliCommand[] = [trainCommand, evalCommand, inspectCommand, dataCommand, benchCommand];
