// Child process: measures time and memory of loading, and the memory of embedding one text. Every
// measurement uses a new process.
//
//   memory.mjs FOLDER PRECISION THREADS

import { createRequire } from 'node:module';
import { answer } from './child.mjs';
import { memory, resetPeakMemory } from './machine.mjs';
import { randomTexts } from './texts.mjs';

const [folder, precision, threads] = process.argv.slice(2);

/**
 * With `length` 0 it only loads. The text is cancelled after `seconds`, because memory reaches its
 * peak in the first layer.
 */
answer(async ({ length, seconds }) => {
  const { Embedder } = createRequire(import.meta.url)('..');
  resetPeakMemory();
  const before = memory().now;
  const begin = performance.now();
  const embedder = await Embedder.load(folder, {
    device: 'cpu',
    precision,
    threads: Number(threads),
  });
  const loadSeconds = (performance.now() - begin) / 1000;
  const loadPeak = memory().peak - before;
  if (length === 0) return { loadSeconds, loadPeak };

  resetPeakMemory();
  const signal = AbortSignal.timeout(seconds * 1000);
  const whole = await embedder.embed(randomTexts(1, length), { signal }).then(
    () => true,
    (error) => {
      if (!signal.aborted) throw error;
      return false;
    },
  );
  return { loadSeconds, loadPeak, embedPeak: memory().peak - before, whole };
});
