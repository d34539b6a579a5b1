// The utility process: a separate Node process, so that a crash in it does not affect the windows.

const { Embedder } = require('qwen3-embed');

const loading = Embedder.load(process.argv[2]);
loading.catch(() => {}); // every request reports the failure

process.parentPort.on('message', async ({ data: { id, texts, instruction } }) => {
  try {
    const embedder = await loading;
    process.parentPort.postMessage({ id, vectors: await embedder.embed(texts, { instruction }) });
  } catch (error) {
    const { code, message } = error; // a clone of the error would lose its code
    process.parentPort.postMessage({ id, error: { code, message } });
  }
});
