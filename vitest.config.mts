import { existsSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** What takes longest begins first, not last beside idle cores: vitest knows it only from an earlier run. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const longest = ['cuda/emulator', 'embedder/cuda', 'embedder/vectors', 'embedder/lifetime'].map(
      (name) => `test/${name}.test.ts`,
    );
    for (const file of longest) if (!existsSync(file)) throw new Error(`there is no ${file}`);
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
    // The emulated device is built on Linux alone.
    exclude: process.platform === 'linux' ? [] : ['test/embedder/cuda.test.ts', 'test/cuda/**'],
    // The real addon in processes of their own: a crash shows as a failed file, and realms are never mixed.
    pool: 'forks',
    maxWorkers: '100%', // of the cores; otherwise one stays idle: half of a machine with two
    sequence: { sequencer: LongestFirst },
    reporters: ['default', ['json', { outputFile: 'build/test-results.json' }]],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // No card, whatever this machine has: the tests of one say where it is.
    env: { QWEN3_EMBED_CUDA_LIBRARY: 'none' },
  },
});
