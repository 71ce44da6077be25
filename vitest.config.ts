import { defineConfig } from 'vitest/config';

// `tapo-source` makes workspace packages resolve to their TypeScript, so tests need no build.
const conditions = ['tapo-source'];

export default defineConfig({
  resolve: { conditions: [...conditions, 'module', 'node', 'development|production'] },
  ssr: { resolve: { conditions: [...conditions, 'module', 'node', 'development|production'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 20_000,
    pool: 'forks',
    maxWorkers: 2,
    // Tests of sandboxes and pools run against real time limits, which a busy shared machine can miss once.
    retry: process.env.CI ? 1 : 0,
  },
});
