// The utility process: a Node process of the app's own, where a fault harms no window.

const { Embedder } = require('qwen3-embed');

const loading = Embedder.load(process.argv[2]);
loading.catch(() => {}); // every question reports it

process.parentPort.on('message', async ({ data: { id, texts, instruction } }) => {
  try {
    const embedder = await loading;
    process.parentPort.postMessage({ id, vectors: await embedder.embed(texts, { instruction }) });
  } catch (error) {
    process.parentPort.postMessage({ id, error: error.message });
  }
});
