// npm run demo: embeds a few dozen texts in many languages with the repository's small model, then
// searches them with queries in other languages. npm run demo -- --help lists the options.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { fail } from '../../scripts/install/report.mjs';
import { root } from '../../scripts/install/stamp.mjs';
import { setup } from '../../scripts/setup.mjs';
import { instruction, programmingLanguages, queries, texts } from './texts.mjs';

const usage = `npm run demo -- [options] ["query" ...]

  --model FOLDER    a Qwen3-Embedding checkpoint; default: the small model of this repository
  --texts FILE      search the lines of this file instead of the demo's texts
  --instruction S   what the queries are about; default: "${instruction}"
  --device D        auto, cpu or reference
  --precision P     auto, f32 or bf16
  --top N           results per query; default 3`;

const options = {
  model: { type: 'string', default: path.join(root, 'models', 'qwen3-embedding-small') },
  texts: { type: 'string' },
  instruction: { type: 'string', default: instruction },
  device: { type: 'string', default: 'auto' },
  precision: { type: 'string', default: 'auto' },
  top: { type: 'string', default: '3' },
  help: { type: 'boolean', default: false },
};

async function main() {
  const settings = readArguments();
  if (settings.help) return console.log(usage);
  await setup();
  const { Embedder } = createRequire(import.meta.url)('../..');

  const { result: embedder, seconds: loading } = await timed(() =>
    Embedder.load(settings.model, { device: settings.device, precision: settings.precision }),
  );
  const documents = settings.documents.map(([, text]) => text);
  const tokens = (await embedder.countTokens(documents)).reduce((sum, count) => sum + count, 0);
  const { result: vectors, seconds: embedding } = await timed(() => embedder.embed(documents));

  const { name, instructionSet, threads } = embedder.device;
  console.log(`model     ${relativeToCaller(settings.model)}, ${embedder.dimensions} dimensions`);
  console.log(
    `device    ${name} (${instructionSet}), ${plural(threads, 'thread')}, ${embedder.precision}`,
  );
  console.log(`loaded    in ${time(loading)}`);
  const what = settings.documents === texts ? ` (${languages()})` : '';
  console.log(
    `embedded  ${plural(documents.length, 'text')}${what}, ${number(tokens)} tokens, ` +
      `in ${time(embedding)}: ${number(tokens / embedding)} tokens a second`,
  );
  console.log(`\nInstruction: ${settings.instruction}`);

  for (const [language, query] of settings.queries) {
    const { result: vector, seconds } = await timed(() =>
      embedder.embed(query, { instruction: settings.instruction }),
    );
    const ranked = vectors
      .map((document, index) => ({ index, score: dot(vector, document) }))
      .sort((a, b) => b.score - a.score)
      .slice(0, settings.top);
    console.log(`\n${tag(language)}${bold(query)}  ${faint(time(seconds))}`);
    for (const { index, score } of ranked) {
      const [language, text] = settings.documents[index];
      console.log(`  ${score.toFixed(3)}  ${tag(language)}${cut(oneLine(text), width - 14)}`);
    }
  }
  await embedder.close();
}

/** Parses and checks the command line. Returns its options, with the texts and queries to use. */
function readArguments() {
  let parsed;
  try {
    parsed = parseArgs({ options, allowPositionals: true });
  } catch (error) {
    throw new Error(`${error.message.split('. ')[0]}\n\n${usage}`);
  }
  const { values, positionals } = parsed;
  const top = Number(values.top);
  if (!Number.isInteger(top) || top < 1)
    throw new Error(`--top must be a positive integer, not '${values.top}'.`);
  if (positionals.some((query) => query.trim() === '')) throw new Error('A query is empty.');
  return {
    ...values,
    top,
    model: fromCaller(values.model),
    documents: values.texts === undefined ? texts : linesOf(fromCaller(values.texts)),
    queries: positionals.length > 0 ? positionals.map((query) => ['', query]) : queries,
  };
}

function languages() {
  const tags = new Set(texts.map(([language]) => language));
  return `${tags.size - programmingLanguages.length} languages and some code`;
}

/** Resolves a path against the user's folder: npm runs scripts in the package's folder. */
function fromCaller(file) {
  return path.resolve(process.env.INIT_CWD ?? '.', file);
}

/** A path relative to the user's folder. */
function relativeToCaller(file) {
  return path.relative(process.env.INIT_CWD ?? '.', file) || '.';
}

function linesOf(file) {
  if (!fs.existsSync(file)) throw new Error(`${file} (--texts) does not exist.`);
  const lines = fs
    .readFileSync(file, 'utf8')
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  if (lines.length === 0) throw new Error(`${file} (--texts) contains no text.`);
  return lines.map((line) => ['', line]);
}

async function timed(work) {
  const begin = performance.now();
  const result = await work();
  return { result, seconds: (performance.now() - begin) / 1000 };
}

/** Dot product; of unit vectors, their cosine. */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

const width = Math.min(process.stdout.columns ?? 100, 100);

function tag(language) {
  return language ? `${language.padEnd(2)}  ` : '';
}

function oneLine(text) {
  return text.replace(/\s+/g, ' ');
}

/** Truncates a text to `columns` terminal columns. East Asian characters take two. */
function cut(text, columns) {
  const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/;
  let used = 0;
  let kept = '';
  for (const character of text) {
    used += wide.test(character) ? 2 : 1;
    if (used >= columns) return `${kept}…`;
    kept += character;
  }
  return kept;
}

function time(seconds) {
  return seconds < 1
    ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`
    : `${seconds.toFixed(2)} s`;
}

function number(value) {
  return Math.round(value).toLocaleString('en-US');
}

function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function bold(text) {
  return process.stdout.isTTY ? `\x1b[1m${text}\x1b[22m` : text;
}

function faint(text) {
  return process.stdout.isTTY ? `\x1b[2m${text}\x1b[22m` : text;
}

// EPIPE: the reader has closed the pipe, as in npm run demo | head.
process.stdout.on('error', () => process.exit(0));
await main().catch(fail);
