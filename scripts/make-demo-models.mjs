/**
 * Trains the models of the demo page (src/demo/models) on the digits and exports them; half a minute on native kernels. The files are
 * kept in the repository: the same seed gives the same bits only on the same instruction set.
 *
 *     node scripts/make-demo-models.mjs
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from './setup.mjs';

/** The last layer takes the same levels as the others, at 8 bits of weights: 8-bit levels would need tables of thresholds, most of the file. */
const models = {
  'digits-1-1': ['--bits', '1-1-32', '--bits-of', 'fc=8-1-32'],
  'digits-1-2': ['--bits', '1-2-32', '--bits-of', 'fc=8-2-32'],
  'digits-codewords': ['--bits', '1-2-32', '--bits-of', 'fc=8-2-32', '--codewords', '16'],
};

const subbit = (...args) => run(process.execPath, [join(root, 'dist/cli.js'), ...args]);

for (const [name, options] of Object.entries(models)) {
  const folder = join(root, 'build/demo-models', name);
  rmSync(folder, { recursive: true, force: true });
  subbit('train', 'digits', '--last', '--seed', '1', ...options, '--out', folder);
  subbit('export', folder, '--format', 'subbit', '--out', join(root, 'src/demo/models', `${name}.subbit`));
}
