import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Definitions and the configuration import the package by its name: here that is its source, and not what was built of it.
const resolve = { alias: { viewkeeper: fileURLToPath(new URL('src/index.ts', import.meta.url)) } }

export default defineConfig({
  test: {
    // Two workers, with the servers that their tests start, use two cores fully.
    maxWorkers: 2,
    projects: [
      {
        resolve,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          // These tests take milliseconds; the limit leaves room for a busy machine. Slow files set their
          // own.
          testTimeout: 20_000,
        },
      },
      {
        resolve,
        test: {
          name: 'database',
          include: ['test/database/**/*.test.ts'],
          globalSetup: 'test/support/server.ts',
          // With this variable Powertools writes to the global console, which a test can spy on.
          env: { POWERTOOLS_DEV: 'true', POWERTOOLS_METRICS_DISABLED: 'false' },
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        test: {
          name: 'infra',
          include: ['test/infra/**/*.test.ts'],
          globalSetup: 'test/infra/support/bundles.ts',
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // Loading the CDK takes longer than the tests, so it is loaded once for all of them.
          isolate: false,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        resolve,
        test: {
          name: 'end-to-end',
          include: ['test/end-to-end/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        resolve,
        test: {
          name: 'page',
          include: ['test/page/**/*.test.ts'],
          globalSetup: 'test/support/server.ts',
          env: { POWERTOOLS_LOG_LEVEL: 'WARN' },
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
