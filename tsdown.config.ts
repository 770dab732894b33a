import { defineConfig } from 'tsdown';

/** One entry per subpath export, the command line, and the worker that a loader starts by file name. */
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    nn: 'src/nn/index.ts',
    train: 'src/train/index.ts',
    data: 'src/data/index.ts',
    formats: 'src/formats/index.ts',
    cli: 'src/cli/main.ts',
    'loader-worker': 'src/data/loader-worker.ts',
  },
  platform: 'node',
  target: 'es2022',
  dts: true,
  fixedExtension: false,
});
