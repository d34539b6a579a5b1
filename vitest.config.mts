import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Starts the slowest test files first, so that none of them runs last while other cores are idle.
 * vitest itself knows the durations only from an earlier run.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const longest = ['cuda/emulator', 'embedder/cuda', 'embedder/vectors', 'embedder/lifetime'].map(
      (name) => `test/${name}.test.ts`,
    );
    for (const file of longest) if (!existsSync(file)) throw new Error(`${file} does not exist`);
    const place = ({ moduleId }: TestSpecification) => {
      const found = longest.findIndex((name) => moduleId.endsWith(name));
      return found < 0 ? longest.length : found;
    };
    return files.sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The emulated device is only built on Linux.
    exclude: process.platform === 'linux' ? [] : ['test/embedder/cuda.test.ts', 'test/cuda/**'],
    // The addon runs in a process per file: a crash fails only that file, and realms are not mixed.
    pool: 'forks',
    maxWorkers: '100%', // of the cores; by default vitest leaves one idle
    sequence: { sequencer: LongestFirst },
    reporters: ['default', ['json', { outputFile: 'build/test-results.json' }]],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Disables CUDA, so that tests do not depend on a GPU. Tests that need a device set this
    // variable.
    env: { QWEN3_EMBED_CUDA_LIBRARY: 'none' },
  },
});
