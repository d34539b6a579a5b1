// Child: memory and time of loading, and memory of embedding one text. A fresh process for every figure.
//
//   memory.mjs FOLDER PRECISION THREADS

import { createRequire } from 'node:module';
import { answer } from './child.mjs';
import { memory, resetPeakMemory } from './machine.mjs';
import { randomTexts } from './texts.mjs';

const [folder, precision, threads] = process.argv.slice(2);

/** `length` 0: load only. After `seconds` the text is given up: memory has been at its peak since the first layer. */
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
