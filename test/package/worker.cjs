// The main thread and two workers embed at the same time. Argument: the model's folder.
const { once } = require('node:events');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { Embedder } = require('qwen3-embed');

async function vectorOf(folder) {
  const embedder = await Embedder.load(folder);
  return embedder.embed('a text');
}

async function main() {
  const folder = process.argv[2];
  const workers = [1, 2].map(() => new Worker(__filename, { workerData: folder }));
  const answers = workers.map((worker) => once(worker, 'message'));
  const expected = await vectorOf(folder);
  for (const [vector] of await Promise.all(answers)) {
    if (vector.some((value, i) => value !== expected[i]))
      throw new Error('a worker gives a different vector');
  }
  console.log('embedded');
}

if (isMainThread) main();
else vectorOf(workerData).then((vector) => parentPort.postMessage(vector));
