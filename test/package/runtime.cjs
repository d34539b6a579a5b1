// What a program does with the package, for runtimes other than Node. Arguments: the model's
// folder, a text, its expected vector as JSON.
const assert = require('node:assert');
const path = require('node:path');
const { setTimeout } = require('node:timers/promises');
const { Embedder, EmbedderError } = require('qwen3-embed');

async function main() {
  const [folder, text, expected] = process.argv.slice(2);
  const embedder = await Embedder.load(folder);
  const vector = await embedder.embed(text);
  const cosine = JSON.parse(expected).reduce((sum, value, i) => sum + value * vector[i], 0);
  assert(cosine > 0.9999, `1 - cos is ${1 - cosine}`);

  // Long enough to be running when it is aborted.
  const controller = new AbortController();
  const reason = new Error('enough');
  const texts = Array(100).fill('a text and more of it '.repeat(200));
  const aborted = embedder.embed(texts, { signal: controller.signal });
  const rejects = assert.rejects(aborted, (error) => error === reason);
  await setTimeout(5);
  controller.abort(reason);
  await rejects;
  assert.deepStrictEqual(await embedder.embed(text), vector);

  const failsWith = (call, code) =>
    assert.rejects(call, (error) => error instanceof EmbedderError && error.code === code);
  await failsWith(Embedder.load(path.join(folder, 'missing')), 'MODEL_NOT_FOUND');
  await embedder.close();
  await failsWith(embedder.embed(text), 'CLOSED');
  console.log('embedded');
}

main();
