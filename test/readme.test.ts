/** The README's TypeScript is examples/digits.ts, and it runs. */
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

test('the README shows examples/digits.ts', () => {
  expect(read('README.md')).toContain(`\`\`\`ts\n${read('examples/digits.ts')}\`\`\``);
});

test('the example trains, evaluates and predicts', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  await import('../examples/digits.js');
  const lines = log.mock.calls.map(([line]) => String(line));
  log.mockRestore();
  expect(Number(/test accuracy (\d\.\d+)/.exec(lines[0]!)?.[1])).toBeGreaterThan(0.9);
  expect(lines[1]).toMatch(/^the first test image is a \d \(\d\.\d\d\)$/);
});
