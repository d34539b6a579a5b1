// Child process: measures how long the event loop is blocked, idle and while texts are tokenized
// and embedded.
//
//   event-loop.mjs FOLDER PRECISION THREADS

import { createRequire } from 'node:module';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { answer } from './child.mjs';
import { randomProse } from './texts.mjs';

const [folder, precision, threads] = process.argv.slice(2);
const { Embedder } = createRequire(import.meta.url)('..');
const embedder = await Embedder.load(folder, {
  device: 'cpu',
  precision,
  threads: Number(threads),
});
await embedder.embed(randomProse(127)); // initializes the tokenizer and buffers

answer(async ({ seconds }) => {
  const idle = await delay(() => sleep(seconds * 1000));
  const callers = await delay(() => manyCallers(64, 127, seconds));
  const longText = randomProse(embedder.maxTokens); // at least a token per word: the maximal length
  // Tokenizing, which blocks the loop, comes first. Embedding the whole text would take minutes.
  const long = await delay(() => embedUntil(longText, AbortSignal.timeout(seconds * 1000)));
  return { idle, callers, long, longTokens: embedder.maxTokens };
});

/** The 99th percentile and the maximum of the event loop's delay in ms while `work` runs. */
async function delay(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await work();
  histogram.disable();
  return { p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 };
}

/** `count` concurrent callers, each of which embeds one text after another. */
async function manyCallers(count, words, seconds) {
  const signal = AbortSignal.timeout(seconds * 1000);
  const caller = async () => {
    while (!signal.aborted) await embedUntil(randomProse(words), signal);
  };
  await Promise.all(Array.from({ length: count }, caller));
}

async function embedUntil(text, signal) {
  await embedder.embed(text, { signal, truncate: 'end' }).catch((error) => {
    if (!signal.aborted) throw error;
  });
}
