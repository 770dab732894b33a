/** npm test: sets everything up, then checks format, lint, types, the links of the API reference, and all tests. Arguments go to vitest. */
import { root, runTool, setUp } from './setup.mjs';

setUp();
const args = process.argv.slice(2);
if (args.length === 0) {
  console.error('checking format, lint, types and the API reference');
  runTool('@biomejs/biome/bin/biome', ['check', '--error-on-warnings', root]);
  runTool('typescript/bin/tsc', ['-p', root]);
  // The page has the DOM, which nothing else may use.
  runTool('typescript/bin/tsc', ['-p', `${root}/src/demo`]);
  runTool('typedoc/bin/typedoc', ['--emit', 'none', '--logLevel', 'Warn']);
}
process.env.REQUIRE_BACKENDS ??= process.env.CI ? 'native,wasm' : 'wasm';
runTool('vitest/vitest.mjs', ['run', ...args]);
