// Reads the reference outputs in test/data, generates their inputs, and computes how far a vector
// is from them and how far it may be. This is CommonJS with types in comments, because vitest
// imports it, and so do the GPU check on a machine without npm and a script under another
// platform's Node.

const { readFileSync } = require('node:fs');
const path = require('node:path');

/**
 * @typedef {(typeof randomModelNames)[number]} RandomModelName
 */

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
 * @typedef {object} TruncatedCase
 * @property {string} text
 * @property {Readonly<Record<string, readonly number[]>>} dimensions The vector by its length.
 */

/**
 * @typedef {object} TextVectors
 * @property {readonly TextCase[]} cases
 * @property {TruncatedCase} truncated
 */

/** @typedef {Readonly<Record<'ndcg@10' | 'mrr' | 'accuracy@1', number>>} RetrievalFigures */

/**
 * @typedef {object} Retrieval
 * @property {string} instruction
 * @property {readonly { readonly id: string, readonly text: string }[]} documents
 * @property {readonly { readonly document: string, readonly text: string }[]} queries
 * @property {Readonly<Record<string, RetrievalFigures>>} figures By prompt and dimensions:
 *   `instruction-256`, `bare-32`, ...
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

/**
 * @typedef {object} TokenGoldens
 * @property {readonly TokenCase[]} cases
 * @property {LongTokenCase} long
 */

/**
 * The largest allowed distance of vectors from the reference outputs.
 *
 * @typedef {object} Gate
 * @property {number} [limit] The largest 1 - cos.
 * @property {number} [emulated] The same on the emulated device. Other devices then have no limit.
 * @property {number} [cpu] The same on the CPU, if its limit differs.
 * @property {number} [longest] The same at 32,768 tokens.
 * @property {number} [difference] The largest difference of a component.
 * @property {string} from The basis of the numbers.
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
  'layers6-bf16',
  'layers28-bf16',
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
 * The token ids of a case.
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
  const vocabulary = (
    'the program reads a file and writes every line that matches to standard output ' +
    'or an error when nothing was found in archive index'
  ).split(' ');
  let state = 12345;
  const text = Array.from({ length: words }, () => {
    state = nextState(state);
    const word = vocabulary[(state >>> 8) % vocabulary.length];
    return (state >>> 20) % 11 === 0 ? `${word}.` : word;
  });
  return text.join(' ');
}

/**
 * The distance of two vectors: 1 - cos, in double precision, and the largest difference of a
 * component. Both are NaN, which is within no limit, for a vector that is not finite.
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
 * The largest allowed 1 - cos of a model's vectors. A CPU without BF16 instructions rounds only the
 * weights in bf16. If they are stored in bf16, nothing is rounded, so the limit is that of f32.
 *
 * @param {keyof typeof gates} model
 * @param {Precision} precision
 * @param {{ readonly name: string, readonly instructionSet: string }} device An embedder's
 *   `device`.
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
 * The largest error of the dot product of two unit vectors if 1 - cos of each is at most `limit`:
 * twice the chord.
 *
 * @param {number} limit
 */
const scoreLimitOf = (limit) => 2 * Math.sqrt(2 * limit);

/**
 * A row per query, with the score of each document.
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
 * The figures of the retrieval task for its scores, a row per query.
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
