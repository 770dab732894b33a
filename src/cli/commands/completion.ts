/** subbit completion SHELL: a script that makes Tab complete commands, options and names. */
import type { Command as Parser } from 'commander';
import { lookUp } from '../../util/nearest.js';
import type { CliCommand } from '../command.js';
import { commandTree, listedValues, shells } from '../completion.js';

export const completionCommand: CliCommand = {
  register(program) {
    program
      .command('completion')
      .description('print a script for the shell that completes commands, options and names')
      .argument('<shell>', Object.keys(shells).join(', '))
      .action(async (shell: string, _: object, parser: Parser) => {
        const write = lookUp(shells, shell, 'shell');
        process.stdout.write(write(commandTree(parser.parent!, await listedValues())));
      });
  },
};
