// Terminates workers that have work in flight, one after another. Memory must not grow. Arguments:
// the model's folder, the number of workers.
const { once } = require('node:events');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { Embedder } = require('qwen3-embed');

const texts = Array.from({ length: 16 }, (_, i) => `text ${i} ${'and more of it '.repeat(i)}`);

async function work(folder) {
  const embedder = await Embedder.load(folder);
  parentPort.postMessage('at work');
  for (;;) await Promise.all([embedder.embed(texts), embedder.embed('a text')]);
}

async function main() {
  const [folder, count] = [process.argv[2], Number(process.argv[3])];
  const embedder = await Embedder.load(folder); // keeps the weights, so that workers share them
  const expected = await embedder.embed('a text');
  const memory = [];
  for (let i = 0; i < count; i++) {
    const worker = new Worker(__filename, { workerData: folder });
    worker.on('error', (error) => {
      throw error;
    });
    const exit = once(worker, 'exit');
    await once(worker, 'message');
    await new Promise((done) => setTimeout(done, (i * 7) % 20));
    await worker.terminate();
    await exit;
    if (i % Math.ceil(count / 10) === 0) {
      global.gc?.();
      memory.push(process.memoryUsage.rss());
    }
  }
  const vector = await embedder.embed('a text');
  if (vector.some((value, i) => value !== expected[i]))
    throw new Error('the vector differs from the one before');
  // The first third is excluded, because allocators grow until they are warm.
  const grown = memory.at(-1) - memory[Math.floor(memory.length / 3)];
  const each = grown / (count * (2 / 3));
  console.log(
    JSON.stringify({
      count,
      megabytes: memory.map((bytes) => Math.round(bytes / 1e6)),
      each: Math.round(each),
    }),
  );
  if (count >= 300 && each > 40_000)
    throw new Error(`every worker leaks ${Math.round(each)} bytes`);
}

if (isMainThread) main();
else work(workerData);
