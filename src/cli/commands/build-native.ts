/** subbit build-native: compiles the native kernels for this machine. */
import { nativeFile, nativeIsas } from '../../backends/native.js';
import type { CliCommand } from '../command.js';
import { buildNative } from '../native-build.js';
import { createOutput, formatDuration } from '../output.js';

export const buildNativeCommand: CliCommand = {
  register(program) {
    program
      .command('build-native')
      .description('compile the native kernels for this machine (needs g++ or clang++; takes a minute or two)')
      .option('--json', 'print one JSON object')
      .action(({ json = false }: { json?: boolean }) => {
        const start = performance.now();
        buildNative();
        const seconds = (performance.now() - start) / 1000;
        const isas = nativeIsas();
        createOutput(json).result(
          { file: nativeFile(), isas, seconds },
          () => `built ${nativeFile()} (${isas.join(', ')}) in ${formatDuration(seconds)}`,
        );
      });
  },
};
