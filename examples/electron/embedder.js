// The utility process: a separate Node process, so that a crash in it does not affect the windows.

const { Embedder } = require('qwen3-embed');

const loading = Embedder.load(process.argv[2]);
loading.catch(() => {}); // every request reports the failure

process.parentPort.on('message', async ({ data: { id, texts, instruction } }) => {
  try {
    const embedder = await loading;
    process.parentPort.postMessage({ id, vectors: await embedder.embed(texts, { instruction }) });
  } catch (error) {
    process.parentPort.postMessage({ id, error: error.message });
  }
});
