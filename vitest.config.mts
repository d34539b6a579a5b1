import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The emulated device is built on Linux alone.
    exclude: process.platform === 'linux' ? [] : ['test/cuda.test.ts', 'test/simt/**', 'test/gpu/**'],
    // The real addon in processes of their own: a crash shows as a failed file, and realms are never mixed.
    pool: 'forks',
    maxWorkers: '100%', // of the cores; otherwise one stays idle: half of a machine with two
    reporters: ['default', ['json', { outputFile: 'build/test-results.json' }]],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // No card, whatever this machine has: the tests of one say where it is.
    env: { QWEN3_EMBED_CUDA_LIBRARY: 'none' },
  },
});
