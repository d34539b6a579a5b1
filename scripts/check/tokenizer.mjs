// npm run check:tokenizer [-- SEED]: compares the tokenizer with Hugging Face's, for Qwen3's
// tokenizer.json: every code point in ten contexts, pairs of code points that normalization or the
// division into words treats in a special way, and random texts, whose seed is printed. Takes
// six minutes on two cores. Needs the addon and dist/: npm run setup.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fail } from '../install/report.mjs';
import { root } from '../install/stamp.mjs';

const require = createRequire(path.join(root, 'package.json'));
const { Tokenizer: Library } = require('tokenizers');
const { Cancellation } = require('./dist/cancellation.js');
const { Tokenizer } = require('./dist/text/tokenizer.js');
const { Draw, randomNumbers } = require('./test/support/random_numbers.cjs');
const { difference, lettersOf, randomText } = require('./test/support/random_texts.cjs');
const { embeddingTokenizer } = require('./test/support/tokenizer_json.cjs');

const vocabulary = 151_669;
const batch = 8_000;
const randomTexts = 400_000;
const shownDifferences = 20;

try {
  const [given] = process.argv.slice(2);
  if (given !== undefined && !/^\d+$/.test(given)) throw new Error(`${given} is not a seed`);
  const seed = given === undefined ? Date.now() % 2 ** 32 : Number(given);
  const json = embeddingTokenizer();
  const tokenizers = await open(json);
  const differences = [
    ...(await compare('code points in contexts', inContexts(), tokenizers)),
    ...(await compare('pairs of code points', pairs(), tokenizers)),
    ...(await compare(`random texts, seed ${seed}`, random(seed, json), tokenizers)),
  ];
  if (differences.length > 0) throw new Error(`differences: ${differences.length}`);
} catch (error) {
  fail(error);
}

async function open(json) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'qwen3-embed-'));
  try {
    const file = path.join(folder, 'tokenizer.json');
    fs.writeFileSync(file, JSON.stringify(json));
    const never = new Cancellation();
    const own = await Tokenizer.open(file, vocabulary, never);
    const library = Library.fromFile(file);
    const limits = { maxTokens: 2 ** 32 - 1, truncate: false, keepIds: true };
    const options = { specialTokens: 'parse', ...limits };
    return {
      own: async (texts) => {
        const { ids, lengths } = await own.encode('', texts, options, never);
        let end = 0;
        return Array.from(lengths, (length) => {
          end += length;
          return ids.subarray(end - length, end);
        });
      },
      reference: async (texts) =>
        (await library.encodeBatch([...texts])).map((encoding) => encoding.getIds()),
    };
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

/** Compares all texts. Prints and returns the differences, at most one per batch. */
async function compare(name, texts, { own, reference }) {
  const begin = performance.now();
  const found = [];
  let count = 0;
  let list = [];
  const next = async () => {
    count += list.length;
    const described = await difference(list, own, reference);
    list = [];
    if (described === undefined) return;
    found.push(described);
    if (found.length <= shownDifferences) console.log(described);
  };
  for (const text of texts) {
    list.push(text);
    if (list.length === batch) await next();
  }
  if (list.length > 0) await next();
  const seconds = Math.round((performance.now() - begin) / 1e3);
  console.log(`${name}: ${count} texts, ${found.length} batches differ, ${seconds} s`);
  return found;
}

function* inContexts() {
  const contexts = [
    (c) => c,
    (c) => `a${c}a`,
    (c) => `!${c}!`,
    (c) => ` ${c}`,
    (c) => `${c}${c} `,
    (c) => `1${c}1`,
    (c) => `x'${c}x`,
    (c) => `e${c}\u0301\u0323`,
    (c) => `\u0dd9\u0345${c}`,
    (c) => `  ${c}\n${c}`,
  ];
  for (let code = 0; code < 0x110000; code++) {
    // Lone surrogates too.
    const c = String.fromCodePoint(code);
    for (const context of contexts) yield context(c);
  }
}

function* pairs() {
  const list = special();
  for (const first of list) {
    for (const second of list) {
      yield first + second;
      yield `a ${first}${second}a`;
    }
  }
}

/** Code points that combine with others, are white space, or stand at the edge of a block. */
function special() {
  const found = new Set();
  for (let code = 0; code < 0x80; code++) found.add(String.fromCodePoint(code));
  for (let code = 0x80; code < 0x110000; code++) {
    const c = String.fromCodePoint(code);
    if (/\s/.test(c)) found.add(c);
    if (code >= 0xac00 && code <= 0xd7a3) continue;
    const parts = [...c.normalize('NFD')];
    if (parts.length < 2) continue;
    // Compositions of Latin and Greek are many and alike.
    if (code % 8 === 0 || code > 0x1fff || code < 0x200) found.add(c);
    for (const part of parts.slice(1)) found.add(part);
    if (!/[A-Za-z\p{Script=Greek}]/u.test(parts[0]) || 'AaoΩ'.includes(parts[0]))
      found.add(parts[0]);
  }
  const edges = [
    ...'\u1100\u1112\u1113\u1160\u1161\u1175\u1176\u11a7\u11a8\u11c2\u11c3가각힣',
    ...'\ud800\udbff\udc00\udfff'.split(''),
    ...'ſßıİΣς中あア٣४Ⅷ½²℃€😀\u200d\ufe0f\u034f\ufffd',
  ];
  for (const c of edges) found.add(c);
  return [...found];
}

function* random(seed, { model, added_tokens }) {
  const draw = new Draw(randomNumbers(seed));
  const tokens = added_tokens.map(({ content }) => content);
  const ingredients = { tokens, pieces: lettersOf(model.vocab) };
  for (let i = 0; i < randomTexts; i++) yield randomText(draw, ingredients, 40);
}
