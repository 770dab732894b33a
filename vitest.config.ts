import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // Two cores: the tests that time out are the ones that hang.
    testTimeout: 60_000,
  },
});
