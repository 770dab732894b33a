/** subbit bench ...: timings on this machine. */
import { registerBenchConv } from '../bench/conv.js';
import { registerBenchInfer } from '../bench/infer.js';
import { registerBenchTrain } from '../bench/train.js';
import { type TuneOptions, tune } from '../bench/tune.js';
import { addBackendOptions, type CliCommand } from '../command.js';

export const benchCommand: CliCommand = {
  register(program) {
    const bench = program
      .command('bench')
      .description('timings on this machine, with peers where they are installed')
      .option('--tune', 'measure which convolution kernels are fastest here, and keep the choice')
      .option('--json', 'print one JSON object');
    // Its options are those before the name of a subcommand, which has its own.
    bench.enablePositionalOptions();
    addBackendOptions(bench).action(async (options: TuneOptions & { readonly tune?: boolean }) => {
      if (options.tune) await tune(options);
      else bench.help({ error: true });
    });
    registerBenchConv(bench);
    registerBenchInfer(bench);
    registerBenchTrain(bench);
  },
};
