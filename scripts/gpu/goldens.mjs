// Compares the addon's vectors on a GPU with the reference outputs in test/data, in every
// precision. Prints a line of JSON per check: {"name", "ok", "figure", "limit", ...}. Exits with 77
// if there is no GPU.
//
//   node scripts/gpu/goldens.mjs [--max-tokens N] [--filter PART_OF_NAME]
//
// --max-tokens leaves out longer texts.
//
// A machine without Node needs, in addition to the repository: a Node binary (20.9 or newer, one
// file), dist/ (npm run build:lib), and node_modules/node-gyp-build. The texts of the small model
// also need models/. The addon is either copied as build/Release/qwen3_embed.node, or check-gpu.sh
// builds it, which needs node_modules/node-addon-api and node_modules/node-api-headers.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import dist from '../../dist/index.js';
import {
  apart,
  figuresOf,
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
} from '../../test/support/goldens.cjs';

const { Embedder, EmbedderError } = dist;
const noDevice = 77;
const { values: selected } = parseArgs({
  options: {
    'max-tokens': { type: 'string', default: 'Infinity' },
    filter: { type: 'string', default: '' },
  },
});
const maxTokens = Number(selected['max-tokens']);

let failed = 0;

function report(name, ok, figures = {}) {
  if (!ok) failed++;
  console.log(JSON.stringify({ name, ok, ...figures }));
}

/**
 * Runs one check. An error that it throws is a failure, except that a missing GPU ends the program.
 */
async function check(name, run) {
  if (!name.includes(selected.filter)) return;
  try {
    const { ok, ...figures } = await run();
    report(name, ok, figures);
  } catch (error) {
    if (error instanceof EmbedderError && error.code === 'DEVICE_UNAVAILABLE') {
      console.error(error.message);
      process.exit(noDevice);
    }
    report(name, false, { message: String(error.message ?? error) });
  }
}

async function withModel(folder, options, run) {
  const embedder = await Embedder.load(folder, { device: 'cuda', ...options });
  try {
    return await run(embedder);
  } finally {
    await embedder.close();
  }
}

/** 1 - cos. */
const distance = (vector, golden) => apart(vector, golden).cosine;

/** The largest value; NaN if any value is NaN. */
const worst = (values) => Math.max(0, ...values);

const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
const sameBits = (a, b) => bytesOf(a).equals(bytesOf(b));

async function checkRandomModel(name, precision) {
  const model = randomModel(name);
  const { folder } = model;
  const cases = model.cases.filter(({ length }) => length <= maxTokens);
  const inputs = cases.map((golden) => idsOf(model, golden));
  await check(`${name} in ${precision}`, () =>
    withModel(folder, { precision }, async (embedder) => {
      const figures = [];
      for (const [i, golden] of cases.entries()) {
        figures.push(distance(await embedder.embed(inputs[i]), golden.embedding));
      }
      // Short texts use the large plan in this batch, and the small one above.
      const together = await embedder.embed(inputs);
      figures.push(...together.map((vector, i) => distance(vector, cases[i].embedding)));
      const figure = worst(figures);
      const limit = limitOf(name, precision, embedder.device);
      return {
        ok: figure <= limit,
        figure,
        limit,
        cases: cases.length,
        longest: cases.at(-1)?.length,
      };
    }),
  );
  await check(`${name} in ${precision}: batchInvariant`, () =>
    withModel(folder, { precision, batchInvariant: true }, async (embedder) => {
      const together = await embedder.embed(inputs);
      const reversed = (await embedder.embed([...inputs].reverse())).reverse();
      let different = 0;
      for (const [i, input] of inputs.entries()) {
        const alone = await embedder.embed(input);
        if (!sameBits(alone, together[i]) || !sameBits(alone, reversed[i])) different++;
      }
      return { ok: different === 0, figure: different, limit: 0, cases: inputs.length };
    }),
  );
}

async function checkSmallModel(precision) {
  const { cases, truncated } = textVectors();
  await check(`small model in ${precision}`, () =>
    withModel(smallModel, { precision }, async (embedder) => {
      const figures = [];
      for (const { text, words, instruction, embedding, tokens } of cases) {
        if (tokens > maxTokens) continue;
        figures.push(
          distance(await embedder.embed(text ?? longText(words), { instruction }), embedding),
        );
      }
      for (const [width, embedding] of Object.entries(truncated.dimensions)) {
        figures.push(
          distance(await embedder.embed(truncated.text, { dimensions: Number(width) }), embedding),
        );
      }
      const figure = worst(figures);
      const limit = limitOf('small-model', precision, embedder.device);
      return { ok: figure <= limit, figure, limit, cases: figures.length };
    }),
  );
  // Rounding makes close neighbors change ranks, which changes the nDCG. So every score is
  // compared with that of the CPU in f32.
  await check(`small model in ${precision}: retrieval`, async () => {
    const { ndcg, scores, limit } = await withModel(
      smallModel,
      { precision },
      async (embedder) => ({
        ...(await search(embedder)),
        limit: limitOf('small-model', precision, embedder.device),
      }),
    );
    const wanted = await withModel(smallModel, { device: 'cpu', precision: 'f32' }, search);
    const figure = worst(scores.map((score, i) => Math.abs(score - wanted.scores[i])));
    const most = scoreLimitOf(limit);
    return { ok: figure <= most, figure, limit: most, ndcg, ndcgInF32: wanted.ndcg };
  });
}

/** The score of every query and document, and the nDCG@10 of these scores. */
async function search(embedder) {
  const { documents, queries, instruction } = retrieval();
  // Every token has at least one character, so this limits the tokens.
  const short = ({ text }) => text.slice(0, maxTokens);
  const rows = await embedder.embed(documents.map(short));
  const vectors = await embedder.embed(queries.map(short), { instruction });
  const scores = scoresOf(vectors, rows);
  return { scores: scores.flat(), ndcg: figuresOf(scores)['ndcg@10'] };
}

const outlier = { size: 16_000, channel: 77, limit: 5e-3 };

/** Copies the small model and lets `change` edit its weights. */
function changedModel(folder, change) {
  fs.cpSync(smallModel, folder, { recursive: true });
  const file = path.join(folder, 'model.safetensors');
  const bytes = fs.readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start));
  const edit = (name, value) => {
    const tensor = header[name] ?? header[`model.${name}`];
    if (tensor?.dtype !== 'BF16') throw new Error(`the weight ${name} is missing or not in bf16`);
    const columns = tensor.shape.at(-1);
    const [begin, end] = tensor.data_offsets;
    for (let at = start + begin, i = 0; at < start + end; at += 2, i++) {
      const before = new Float32Array(Uint32Array.of(bytes.readUInt16LE(at) << 16).buffer)[0];
      const after = value(before, i % columns);
      if (after !== before)
        bytes.writeUInt16LE(new Uint32Array(Float32Array.of(after).buffer)[0] >>> 16, at);
    }
  };
  change({ edit });
  fs.writeFileSync(file, bytes);
}

/**
 * Compares int8 with f32 on the CPU for weights that put 16,000 into one channel of every token's
 * residual. The final norm ignores that channel, so that the other channels determine the vector.
 * (massive-bf16 has a channel of over 1e5 in the SwiGLU output.)
 */
async function checkOutlier() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'qwen3-outlier-'));
  try {
    await check('small model in int8: a residual channel of 16,000', async () => {
      changedModel(folder, ({ edit }) => {
        edit('embed_tokens.weight', (value, column) =>
          column === outlier.channel ? outlier.size : value,
        );
        edit('norm.weight', (value, column) => (column === outlier.channel ? 0 : value));
      });
      const texts = textVectors()
        .cases.filter(
          ({ text, tokens }) => text !== undefined && tokens <= Math.min(200, maxTokens),
        )
        .map(({ text }) => text)
        .slice(0, 20);
      const embed = (options) => withModel(folder, options, (embedder) => embedder.embed(texts));
      const vectors = await embed({ precision: 'int8' });
      const wanted = await embed({ device: 'cpu', precision: 'f32' });
      const figure = worst(vectors.map((vector, i) => distance(vector, wanted[i])));
      return { ok: figure <= outlier.limit, figure, limit: outlier.limit, cases: texts.length };
    });
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

for (const name of randomModelNames) {
  for (const precision of ['bf16', 'f16', 'int8']) await checkRandomModel(name, precision);
}
if (fs.existsSync(path.join(smallModel, 'model.safetensors'))) {
  for (const precision of ['bf16', 'f16', 'int8']) await checkSmallModel(precision);
  await checkOutlier();
} else {
  console.log(
    JSON.stringify({
      name: 'small model',
      ok: true,
      skipped: 'models/qwen3-embedding-small is missing',
    }),
  );
}
process.exitCode = failed > 0 ? 1 : 0;
