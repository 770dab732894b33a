/** Imports go one way: a folder imports itself and folders above it in this list. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const order = [
  ...['util', 'core', 'image', 'ops', 'passes', 'backends', 'optim', 'nn', 'data'],
  ...['formats', 'runtime', 'train', 'deploy', 'onnx', 'compact', 'cli', 'demo'],
];
const source = fileURLToPath(new URL('../src', import.meta.url));

function violations(files: readonly { path: string; text: string }[]): string[] {
  const found: string[] = [];
  for (const { path, text } of files) {
    const folder = path.split('/')[0]!;
    // src/index.ts is the package's front door and imports everything.
    if (folder === path) continue;
    for (const [, target] of text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
      const imported = relative(source, resolve(source, path, '..', target!)).split('/')[0]!;
      if (!order.includes(imported) || order.indexOf(imported) > order.indexOf(folder))
        found.push(`${path} imports ${target}`);
    }
  }
  return found;
}

test('every import goes to the same folder or one above it', () => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .map((path) => ({ path, text: readFileSync(join(source, path), 'utf8') }));
  expect(files.length).toBeGreaterThan(50);
  expect(violations(files)).toEqual([]);
});

test('the check sees an import against the order', () => {
  expect(violations([{ path: 'core/tensor.ts', text: `import { conv } from '../nn/layers/conv.js';` }])).toHaveLength(
    1,
  );
});
