// The vectors themselves, held against Hugging Face's. The limits are test/data/README.md's.

import { afterAll, describe, expect, it } from 'vitest';
import { Embedder, type LoadOptions } from '../lib';
import { apart, idsOf, longText, randomModel, randomModelNames, retrieval, smallModel, textVectors } from './goldens';

const open: Embedder[] = [];

async function load(folder: string, options: LoadOptions): Promise<Embedder> {
  const embedder = await Embedder.load(folder, options);
  open.push(embedder);
  return embedder;
}

afterAll(async () => {
  for (const embedder of open) await embedder.close();
});

describe.each(randomModelNames)('%s', (name) => {
  const model = randomModel(name);
  // What Hugging Face loses in bf16, and how far one of its values is off at most.
  const worstInBf16 = {
    'gqa2-bf16': 1.6e-4,
    'wide-heads-f16': 4.5e-4,
    'mha-sharded-f32': 4.9e-4,
    'massive-bf16': 2.9e-4,
  };

  it('in f32 on the CPU', { timeout: 180_000 }, async () => {
    const embedder = await load(model.folder, { device: 'cpu', precision: 'f32' });
    for (const golden of model.cases) {
      const { cosine, largest } = apart(await embedder.embed(idsOf(model, golden)), golden.embedding);
      expect(cosine, `1 - cos at ${golden.length}`).toBeLessThanOrEqual(golden.length === 32_768 ? 1e-7 : 1e-8);
      expect(largest, `largest difference at ${golden.length}`).toBeLessThanOrEqual(1e-5);
    }
  });

  it('in f32 on the reference, up to 1,025 tokens', { timeout: 180_000 }, async () => {
    const embedder = await load(model.folder, { device: 'reference' });
    expect(embedder.precision).toBe('f32');
    for (const golden of model.cases.filter(({ length }) => length <= 1_025)) {
      const { cosine, largest } = apart(await embedder.embed(idsOf(model, golden)), golden.embedding);
      expect(cosine, `1 - cos at ${golden.length}`).toBeLessThanOrEqual(1e-8);
      expect(largest, `largest difference at ${golden.length}`).toBeLessThanOrEqual(1e-5);
    }
  });

  it('in bf16 on the CPU', { timeout: 180_000 }, async () => {
    const embedder = await load(model.folder, { device: 'cpu', precision: 'bf16' });
    for (const golden of model.cases) {
      const { cosine } = apart(await embedder.embed(idsOf(model, golden)), golden.embedding);
      expect(cosine, `1 - cos at ${golden.length}`).toBeLessThanOrEqual(worstInBf16[name]);
    }
  });
});

describe.each([
  ['f32', 1e-8, 0.0005],
  ['bf16', 3.5e-5, 0.002],
] as const)('the small model in %s', (precision, limit, figureLimit) => {
  it('gives the vectors of sentence-transformers', { timeout: 180_000 }, async () => {
    const embedder = await load(smallModel, { precision });
    for (const { name, text, words, instruction, embedding } of textVectors().cases) {
      const vector = await embedder.embed(text ?? longText(words as number), { instruction });
      expect(apart(vector, embedding).cosine, name).toBeLessThanOrEqual(limit);
    }
  });

  it('gives them cut to fewer dimensions', async () => {
    const embedder = await load(smallModel, { precision });
    const { text, dimensions } = textVectors().truncated;
    for (const [width, embedding] of Object.entries(dimensions)) {
      const vector = await embedder.embed(text, { dimensions: Number(width) });
      expect(vector).toHaveLength(Number(width));
      expect(apart(vector, embedding).cosine, width).toBeLessThanOrEqual(limit);
      expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
    }
  });

  it('finds what sentence-transformers finds', { timeout: 180_000 }, async () => {
    const embedder = await load(smallModel, { precision });
    const { documents, queries, instruction, figures } = retrieval();
    for (const [name, expected] of Object.entries(figures)) {
      const [kind, width] = name.split('-');
      const dimensions = Number(width);
      const rows = await embedder.embed(
        documents.map((document) => document.text),
        { dimensions },
      );
      const asked = await embedder.embed(
        queries.map((query) => query.text),
        { dimensions, instruction: kind === 'bare' ? undefined : instruction },
      );
      const ranks = asked.map((query, i) => {
        const scores = rows.map((row) => row.reduce((sum, value, j) => sum + value * (query[j] as number), 0));
        const right = scores[documents.findIndex((document) => document.id === queries[i]?.document)] as number;
        return 1 + scores.filter((score) => score > right).length;
      });
      const mean = (value: (rank: number) => number) =>
        ranks.reduce((sum, rank) => sum + value(rank), 0) / ranks.length;
      const got = {
        'ndcg@10': mean((rank) => (rank <= 10 ? 1 / Math.log2(rank + 1) : 0)),
        mrr: mean((rank) => 1 / rank),
        'accuracy@1': mean((rank) => (rank === 1 ? 1 : 0)),
      };
      for (const figure of ['ndcg@10', 'mrr', 'accuracy@1'] as const) {
        expect(Math.abs(got[figure] - expected[figure]), `${figure} ${name}`).toBeLessThanOrEqual(figureLimit);
      }
    }
  });
});
