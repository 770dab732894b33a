/** subbit bench ...: timings on this machine. */
import { registerBenchTrain } from '../bench/train.js';
import type { CliCommand } from '../command.js';

export const benchCommand: CliCommand = {
  register(program) {
    const bench = program.command('bench').description('timings on this machine, with peers where they are installed');
    registerBenchTrain(bench);
  },
};
