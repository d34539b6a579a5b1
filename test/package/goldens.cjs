// The reference outputs on another platform than the tests', where vitest does not run: the random models and the small
// model's texts, in f32 and bf16. Prints a report. Arguments: the project's folder, the most tokens of an input. The limits are test/data/README.md's.
const fs = require('node:fs');
const path = require('node:path');

const begin = performance.now();
require('tokenizers');
const tokenizers = performance.now() - begin;
const { Embedder } = require('qwen3-embed');

const root = process.argv[2];
const longest = Number(process.argv[3]);
const data = path.join(root, 'test', 'data');
const read = (...names) => JSON.parse(fs.readFileSync(path.join(...names), 'utf8'));
const limits = {
  'gqa2-bf16': { f32: 1e-8, bf16: 1.6e-4 },
  'wide-heads-f16': { f32: 1e-8, bf16: 4.5e-4 },
  'mha-sharded-f32': { f32: 1e-8, bf16: 4.9e-4 },
  'massive-bf16': { f32: 1e-8, bf16: 2.9e-4 },
  small: { f32: 1e-8, bf16: 3.5e-5 },
};

/** 1 - cos, in double. */
function apart(vector, expected) {
  let [product, left, right] = [0, 0, 0];
  expected.forEach((value, i) => {
    product += value * vector[i];
    left += vector[i] ** 2;
    right += value ** 2;
  });
  return 1 - product / Math.sqrt(left * right);
}

function idsOf({ length, lcg_seed: seed, lcg_low: low }, vocabulary) {
  let state = seed;
  return Uint32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + ((state >>> 8) % (vocabulary - low));
  });
}

async function worst(folder, precision, inputs) {
  const embedder = await Embedder.load(folder, { device: 'cpu', precision });
  let most = 0;
  for (const { input, options, embedding } of inputs) {
    most = Math.max(most, apart(await embedder.embed(input, options), embedding));
  }
  const { instructionSet } = embedder.device;
  await embedder.close();
  return { most, instructionSet, inputs: inputs.length };
}

async function main() {
  const models = Object.keys(limits).map((name) => {
    if (name === 'small') {
      const { cases: all } = read(data, 'small-model', 'vectors.json');
      const cases = all.filter(({ text, tokens }) => text !== undefined && tokens <= longest);
      const inputs = cases.map(({ text, instruction, embedding }) => ({
        input: text,
        options: { instruction },
        embedding,
      }));
      return { name, folder: path.join(root, 'models', 'qwen3-embedding-small'), inputs };
    }
    const folder = path.join(data, 'random-models', name);
    const { vocab_size: vocabulary } = read(folder, 'config.json');
    const cases = read(`${folder}.json`).cases.filter(({ length }) => length <= longest);
    return {
      name,
      folder,
      inputs: cases.map((each) => ({ input: idsOf(each, vocabulary), embedding: each.embedding })),
    };
  });
  const results = [];
  for (const { name, folder, inputs } of models) {
    for (const precision of ['f32', 'bf16']) {
      const { most, ...rest } = await worst(folder, precision, inputs);
      results.push({ name, precision, apart: most, ok: most <= limits[name][precision], ...rest });
    }
  }
  const { rss } = process.memoryUsage();
  console.log(JSON.stringify({ node: process.version, arch: process.arch, results, tokenizers, rss }));
}

main();
