// Compares vectors with the reference outputs on platforms where vitest does not run: random models
// and the small model's texts, in f32 and bf16. Prints a report as JSON. Arguments: the project's
// folder, the maximum number of tokens of an input.
const path = require('node:path');
const { Embedder } = require('qwen3-embed');

const longest = Number(process.argv[3]);
const { apart, idsOf, limitOf, randomModel, randomModelNames, smallModel, textVectors } = require(
  path.resolve(process.argv[2], 'test', 'support', 'goldens.cjs'),
);

async function worst(name, folder, precision, inputs) {
  const embedder = await Embedder.load(folder, { device: 'cpu', precision });
  let most = 0;
  for (const { input, options, embedding } of inputs) {
    most = Math.max(most, apart(await embedder.embed(input, options), embedding).cosine);
  }
  const { instructionSet } = embedder.device;
  const ok = most <= limitOf(name, precision, embedder.device);
  await embedder.close();
  return { name, precision, apart: most, ok, instructionSet, inputs: inputs.length };
}

function randomInputs(name) {
  const model = randomModel(name);
  const cases = model.cases.filter(({ length }) => length <= longest);
  const inputs = cases.map((golden) => ({
    input: idsOf(model, golden),
    embedding: golden.embedding,
  }));
  return { name, folder: model.folder, inputs };
}

function textInputs() {
  const cases = textVectors().cases.filter(
    ({ text, tokens }) => text !== undefined && tokens <= longest,
  );
  const inputs = cases.map(({ text, instruction, embedding }) => ({
    input: text,
    options: { instruction },
    embedding,
  }));
  return { name: 'small-model', folder: smallModel, inputs };
}

async function main() {
  const results = [];
  for (const { name, folder, inputs } of [...randomModelNames.map(randomInputs), textInputs()]) {
    for (const precision of ['f32', 'bf16'])
      results.push(await worst(name, folder, precision, inputs));
  }
  const { rss } = process.memoryUsage();
  console.log(JSON.stringify({ node: process.version, arch: process.arch, results, rss }));
}

main();
