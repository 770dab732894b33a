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
  /** The demo page. Its kernels are those in dist/, which `subbit demo` serves beside it. */
  {
    ...common,
    dts: false,
    entry: { main: 'src/demo/main.ts', 'training-worker': 'src/demo/training-worker.ts' },
    outDir: 'dist/demo',
    platform: 'browser',
    minify: true,
    // What needs Node is in modules that are imported for something else; the bundle drops it.
    deps: { alwaysBundle: ['uplot'], neverBundle: [/^node:/] },
    treeshake: { moduleSideEffects: [{ test: /^node:/, sideEffects: false }] },
    copy: ['src/demo/*.{html,css}', 'src/demo/models/*.subbit', 'node_modules/uplot/dist/uPlot.min.css'],
  },
]);
