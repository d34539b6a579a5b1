// Child process: measures the tokens per second of one engine, one sample per request.
//
//   speed.mjs own FOLDER PRECISION THREADS    this package
//   speed.mjs peer GGUF NODE_LLAMA_CPP THREADS

import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { answer } from './child.mjs';
import { quiet, startWatch } from './machine.mjs';
import { randomTexts } from './texts.mjs';

const endOfText = 151643;
const shortestSample = 0.6; // seconds
const [kind, ...args] = process.argv.slice(2);
const embed = await (kind === 'peer' ? openPeer(...args) : openOwn(...args));

/**
 * Embeds `count` new texts of `length` tokens in one call, repeatedly until the sample is long
 * enough.
 */
answer(async ({ length, count }) => {
  await embed(randomTexts(count, Math.min(length, 512))); // warms up caches, clocks and memory
  await quiet();
  const watch = startWatch();
  let tokens = 0;
  do {
    await embed(randomTexts(count, length));
    tokens += count * length;
  } while (watch().seconds < shortestSample);
  const { seconds, cores, foreign } = watch();
  return { tokensPerSecond: tokens / seconds, seconds, cores, foreign };
});

async function openOwn(folder, precision, threads) {
  const { Embedder } = createRequire(import.meta.url)('..');
  const embedder = await Embedder.load(folder, {
    device: 'cpu',
    precision,
    threads: Number(threads),
  });
  return (texts) => embedder.embed(texts);
}

/**
 * node-llama-cpp with its default options, as in its documentation. It embeds one text at a time.
 */
async function openPeer(gguf, folder, threads) {
  const { getLlama, LlamaLogLevel } = await import(
    pathToFileURL(path.join(folder, 'dist', 'index.js'))
  );
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    maxThreads: Number(threads),
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath: gguf });
  let context;
  let contextSize = 0;
  return async (texts) => {
    const needed = texts[0].length + 64;
    if (needed > contextSize) {
      await context?.dispose();
      context = await model.createEmbeddingContext({
        contextSize: needed,
        threads: Number(threads),
      });
      contextSize = needed;
    }
    // It appends the end token if it is missing. Ending each text with it keeps the length equal.
    await Promise.all(texts.map((ids) => context.getEmbeddingFor([...ids.subarray(1), endOfText])));
  };
}
