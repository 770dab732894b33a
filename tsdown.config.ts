import { defineConfig } from 'tsdown';

const common = { target: 'es2022', dts: true, fixedExtension: false } as const;

export default defineConfig([
  /** One entry per subpath export, the command line, and the worker that a loader starts by file name. */
  {
    ...common,
    entry: {
      index: 'src/index.ts',
      nn: 'src/nn/index.ts',
      train: 'src/train/index.ts',
      data: 'src/data/index.ts',
      formats: 'src/formats/index.ts',
      runtime: 'src/runtime/index.ts',
      cli: 'src/cli/main.ts',
      'loader-worker': 'src/data/loader-worker.ts',
    },
    platform: 'node',
  },
  /** The runtime for browsers: one small file, and one more for WebGPU. The kernels lie beside them, where browsers fetch them and the package has them. */
  {
    ...common,
    entry: { 'runtime-browser': 'src/runtime/browser.ts' },
    platform: 'browser',
    minify: true,
    clean: false,
    copy: 'build/wasm/*.wasm',
  },
]);
