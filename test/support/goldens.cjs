// The reference outputs in test/data: where they are, how their inputs are made, how far a vector is from them, and how
// far it may be. CommonJS with types in comments: vitest imports it, a GPU check on a machine without npm does, and so
// does a script under another platform's Node.

const { readFileSync } = require('node:fs');
const path = require('node:path');

/** @typedef {'gqa2-bf16' | 'wide-heads-f16' | 'mha-sharded-f32' | 'massive-bf16'} RandomModelName */

/**
 * @typedef {object} RandomModelCase
 * @property {number} length
 * @property {number} lcg_seed
 * @property {number} lcg_low
 * @property {readonly number[]} [ids]
 * @property {readonly number[]} embedding
 */

/**
 * @typedef {object} RandomModel
 * @property {string} folder
 * @property {number} tokens
 * @property {readonly RandomModelCase[]} cases
 */

/**
 * @typedef {object} TextCase
 * @property {string} name
 * @property {string} [text]
 * @property {number} [words] In place of `text`: `longText(words)`.
 * @property {string} [instruction]
 * @property {number} tokens
 * @property {readonly number[]} [ids]
 * @property {readonly number[]} embedding
 */

/**
 * @typedef {object} TextVectors
 * @property {readonly TextCase[]} cases
 * @property {{ readonly text: string, readonly dimensions: Readonly<Record<string, readonly number[]>> }} truncated
 */

/**
 * @typedef {object} Retrieval
 * @property {string} instruction
 * @property {readonly { readonly id: string, readonly text: string }[]} documents
 * @property {readonly { readonly document: string, readonly text: string }[]} queries
 * @property {Readonly<Record<string, Readonly<Record<'ndcg@10' | 'mrr' | 'accuracy@1', number>>>>} figures
 *   By `instruction-256`, `bare-32`, ...
 */

/**
 * @typedef {object} TokenCase
 * @property {string} name
 * @property {string} text
 * @property {string} [instruction]
 * @property {number} [max_length]
 * @property {readonly number[]} ids
 */

/**
 * @typedef {object} LongTokenCase
 * @property {number} words
 * @property {number} length
 * @property {number} cut_length
 * @property {readonly number[]} cut_last
 * @property {number} sum
 * @property {number} cut_sum
 */

/** @typedef {{ readonly cases: readonly TokenCase[], readonly long: LongTokenCase }} TokenGoldens */

/**
 * How far vectors may be from the reference outputs.
 *
 * @typedef {object} Gate
 * @property {number} [limit] 1 - cos at most.
 * @property {number} [emulated] The same on the emulated device, where on others there is none.
 * @property {number} [cpu] The same on the CPU, where that is held to less.
 * @property {number} [longest] The same at 32,768 tokens.
 * @property {number} [difference] How far a value may be off.
 * @property {string} from What the numbers come from.
 */

/** @typedef {'f32' | 'bf16' | 'f16' | 'int8'} Precision */

/** @type {Readonly<Record<RandomModelName | 'small-model', Readonly<Record<Precision, Gate>>>>} */
const gates = require('./gates.json');

const root = path.join(__dirname, '..', '..');
const data = path.join(root, 'test', 'data');

const smallModel = path.join(root, 'models', 'qwen3-embedding-small');

const randomModelNames = /** @type {const} */ ([
  'gqa2-bf16',
  'wide-heads-f16',
  'mha-sharded-f32',
  'massive-bf16',
]);

/**
 * @param {RandomModelName} name
 * @returns {RandomModel}
 */
function randomModel(name) {
  const folder = path.join(data, 'random-models', name);
  const { vocab_size: tokens } = readJson(path.join(folder, 'config.json'));
  const { cases } = readJson(`${folder}.json`);
  return { folder, tokens, cases };
}

/**
 * Token ids of a case.
 *
 * @param {Pick<RandomModel, 'tokens'>} model
 * @param {Pick<RandomModelCase, 'length' | 'lcg_seed' | 'lcg_low'>} golden
 */
function idsOf(model, { length, lcg_seed, lcg_low }) {
  let state = lcg_seed;
  return Uint32Array.from({ length }, () => {
    state = nextState(state);
    return lcg_low + ((state >>> 8) % (model.tokens - lcg_low));
  });
}

/** @returns {TextVectors} */
const textVectors = () => readJson(path.join(data, 'small-model', 'vectors.json'));

/** @returns {Retrieval} */
const retrieval = () => readJson(path.join(data, 'small-model', 'retrieval.json'));

/** @returns {TokenGoldens} */
const tokenGoldens = () => readJson(path.join(data, 'tokenizer', 'qwen3-embedding-0.6b.json'));

/** @param {number} words */
function longText(words) {
  const vocabulary =
    'the program reads a file and writes every line that matches to standard output or an error when nothing was found in archive index'.split(
      ' ',
    );
  let state = 12345;
  const text = Array.from({ length: words }, () => {
    state = nextState(state);
    const word = vocabulary[(state >>> 8) % vocabulary.length];
    return (state >>> 20) % 11 === 0 ? `${word}.` : word;
  });
  return text.join(' ');
}

/**
 * How far two vectors are apart: 1 - cos, in double, and the largest difference of a value. NaN, which is within no
 * limit, for a vector that is not finite.
 *
 * @param {ArrayLike<number>} vector
 * @param {ArrayLike<number>} golden
 */
function apart(vector, golden) {
  let [dot, own, other, largest] = [0, 0, 0, 0];
  for (let i = 0; i < golden.length; i++) {
    const value = golden[i] ?? Number.NaN;
    const got = vector[i] ?? Number.NaN;
    dot += got * value;
    own += got * got;
    other += value * value;
    largest = Math.max(largest, Math.abs(got - value));
  }
  return {
    cosine: 1 - dot / Math.sqrt(own * other),
    largest: Number.isFinite(dot) ? largest : Number.NaN,
  };
}

/**
 * 1 - cos at most of a model's vectors. Without BF16 instructions a CPU rounds weights alone, and nothing where they are
 * stored in bf16: then bf16 is held to the limit of f32.
 *
 * @param {keyof typeof gates} model
 * @param {Precision} precision
 * @param {{ readonly name: string, readonly instructionSet: string }} device An embedder's.
 */
function limitOf(model, precision, { name, instructionSet }) {
  const gate = gates[model][precision];
  const storedInBf16 = model.endsWith('bf16') || model === 'small-model';
  const exact =
    name === 'cpu' && precision === 'bf16' && storedInBf16 && !instructionSet.includes('BF16');
  const { limit, cpu, emulated } = exact ? gates[model].f32 : gate;
  if (name === 'cpu' && cpu !== undefined) return cpu;
  if (emulated !== undefined)
    return instructionSet.startsWith('emulated') ? emulated : Number.POSITIVE_INFINITY;
  if (limit === undefined) throw new Error(`gates.json has no limit for ${model} in ${precision}`);
  return limit;
}

/**
 * How far the product of two vectors may be off where 1 - cos of each is at most `limit`: twice the chord.
 *
 * @param {number} limit
 */
const scoreLimitOf = (limit) => 2 * Math.sqrt(2 * limit);

/**
 * Of every query a row: the score of each document.
 *
 * @param {readonly Float32Array[]} queries
 * @param {readonly Float32Array[]} documents
 */
function scoresOf(queries, documents) {
  return queries.map((query) =>
    documents.map((document) =>
      document.reduce((sum, value, i) => sum + value * (query[i] ?? Number.NaN), 0),
    ),
  );
}

/**
 * The figures of the retrieval task that its scores give.
 *
 * @param {readonly (readonly number[])[]} scores
 */
function figuresOf(scores) {
  const { documents, queries } = retrieval();
  const ranks = scores.map((row, i) => {
    const right = row[documents.findIndex(({ id }) => id === queries[i]?.document)] ?? Number.NaN;
    return 1 + row.filter((score) => !(score <= right)).length;
  });
  /** @param {(rank: number) => number} value */
  const mean = (value) => ranks.reduce((sum, rank) => sum + value(rank), 0) / ranks.length;
  return {
    'ndcg@10': mean((rank) => (rank <= 10 ? 1 / Math.log2(rank + 1) : 0)),
    mrr: mean((rank) => 1 / rank),
    'accuracy@1': mean((rank) => (rank === 1 ? 1 : 0)),
  };
}

/** @param {number} state */
function nextState(state) {
  return (Math.imul(state, 1664525) + 1013904223) >>> 0;
}

/** @param {string} file */
function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

module.exports = {
  apart,
  figuresOf,
  gates,
  idsOf,
  limitOf,
  longText,
  randomModel,
  randomModelNames,
  retrieval,
  scoreLimitOf,
  scoresOf,
  smallModel,
  textVectors,
  tokenGoldens,
};
