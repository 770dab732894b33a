import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string): string => fileURLToPath(new URL(`src/${path}`, import.meta.url));

export default defineConfig({
  // The examples import the package by its name.
  resolve: {
    alias: [
      { find: /^subbit$/, replacement: source('index.ts') },
      { find: /^subbit\/(nn|train|data|formats|runtime)$/, replacement: source('$1/index.ts') },
    ],
  },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // The parity of all kernels is one long file; the other files go beside it.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Two cores: the tests that time out are the ones that hang.
    testTimeout: 60_000,
  },
});
