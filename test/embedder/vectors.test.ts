// Compares the vectors with those of Hugging Face, within the limits of gates.json.

import { beforeAll, describe, expect, it, vi } from 'vitest';
import { Embedder, EmbedderError, type LoadOptions } from '../../lib';
import {
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
} from '../support/goldens.cjs';

const minutes = 60_000;
// Longer texts have tests of their own, which take minutes on one core without SIMD.
const mostTokens = 4_097;

/** Loads a model on an instruction set; by default on the best that the CPU has. */
async function load(
  folder: string,
  options: LoadOptions,
  instructionSet?: string,
): Promise<Embedder> {
  if (instructionSet) vi.stubEnv('QWEN3_EMBED_CPU', instructionSet);
  try {
    return await Embedder.load(folder, { device: 'cpu', ...options });
  } finally {
    vi.unstubAllEnvs();
  }
}

/** Numbers of tokens: those of a check's inputs. */
type Lengths = readonly [from: number, to: number];

async function checkRandomModel(
  name: (typeof randomModelNames)[number],
  options: LoadOptions,
  [from, to]: Lengths,
  isa?: string,
) {
  const model = randomModel(name);
  await using embedder = await load(model.folder, options, isa);
  const limit = limitOf(name, embedder.precision, embedder.device);
  const { longest = 0, difference = 0 } = gates[name].f32;
  const cases = model.cases.filter(({ length }) => length >= from && length <= to);
  expect(cases).not.toEqual([]);
  for (const golden of cases) {
    const { cosine, largest } = apart(await embedder.embed(idsOf(model, golden)), golden.embedding);
    const where = `${name} at ${golden.length} tokens`;
    const allowed = golden.length === 32_768 ? Math.max(limit, longest) : limit;
    expect(cosine, `1 - cos of ${where}`).toBeLessThanOrEqual(allowed);
    if (embedder.precision === 'f32')
      expect(largest, `largest difference of ${where}`).toBeLessThanOrEqual(difference);
  }
}

async function checkSmallModel(options: LoadOptions, [from, to]: Lengths, isa?: string) {
  await using embedder = await load(smallModel, options, isa);
  const limit = limitOf('small-model', embedder.precision, embedder.device);
  const { cases, truncated } = textVectors();
  const chosen = cases.filter(({ tokens }) => tokens >= from && tokens <= to);
  expect(chosen).not.toEqual([]);
  for (const { name, text, words, instruction, embedding } of chosen) {
    const vector = await embedder.embed(text ?? longText(words as number), { instruction });
    expect(apart(vector, embedding).cosine, name).toBeLessThanOrEqual(limit);
  }
  for (const [width, embedding] of Object.entries(truncated.dimensions)) {
    const vector = await embedder.embed(truncated.text, { dimensions: Number(width) });
    expect(vector).toHaveLength(Number(width));
    expect(apart(vector, embedding).cosine, `${width} dimensions`).toBeLessThanOrEqual(limit);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
  }
}

describe.each(randomModelNames)('%s', (name) => {
  it.each(['f32', 'bf16'] as const)(
    'in %s on the CPU',
    { timeout: 3 * minutes },
    async (precision) => {
      await checkRandomModel(name, { precision }, [1, mostTokens]);
    },
  );

  it('in f32 on the reference device, up to 1,025 tokens', { timeout: 3 * minutes }, async () => {
    await checkRandomModel(name, { device: 'reference' }, [1, 1_025]);
  });
});

it.each(['f32', 'bf16'] as const)(
  'gqa2-bf16 in %s at 32,768 tokens',
  { timeout: 10 * minutes },
  async (precision) => {
    await checkRandomModel('gqa2-bf16', { precision }, [32_768, 32_768]);
  },
);

/** A row per query, with the score of each document. */
type Scores = readonly (readonly number[])[];

const { documents, queries, instruction, figures } = retrieval();

async function search(embedder: Embedder, kind: string): Promise<Scores> {
  const [prompt, width] = kind.split('-');
  const dimensions = Number(width);
  const rows = await embedder.embed(
    documents.map(({ text }) => text),
    { dimensions },
  );
  const vectors = await embedder.embed(
    queries.map(({ text }) => text),
    { dimensions, instruction: prompt === 'bare' ? undefined : instruction },
  );
  return scoresOf(vectors, rows);
}

async function checkRetrieval(kinds: readonly string[], isa?: string) {
  await using inF32 = await load(smallModel, { precision: 'f32' }, isa);
  await using inBf16 = await load(smallModel, { precision: 'bf16' }, isa);
  for (const kind of kinds) {
    // In f32 no rank may change: scores have errors of 5e-7, and the relevant ones differ by at
    // least 3e-5. The figures have four digits.
    const wanted = await search(inF32, kind);
    const got = figuresOf(wanted);
    for (const figure of ['ndcg@10', 'mrr', 'accuracy@1'] as const) {
      expect(
        Math.abs(got[figure] - (figures[kind]?.[figure] as number)),
        `${figure} ${kind}`,
      ).toBeLessThanOrEqual(6e-5);
    }
    // In bf16 close neighbors change ranks, and one such query changes a figure by up to 1 / 111.
    // So the scores are compared instead.
    const most = scoreLimitOf(limitOf('small-model', 'bf16', inBf16.device));
    const scores = await search(inBf16, kind);
    const moved = scores.flatMap((row, i) =>
      row.map((score, j) => Math.abs(score - (wanted[i]?.[j] as number))),
    );
    expect(Math.max(...moved), `a score moved, ${kind}`).toBeLessThanOrEqual(most);
  }
}

describe('the small model', () => {
  it.each(['f32', 'bf16'] as const)(
    'in %s computes the vectors of sentence-transformers',
    { timeout: 3 * minutes },
    async (precision) => {
      await checkSmallModel({ precision }, [1, mostTokens]);
    },
  );

  it.each(['f32', 'bf16'] as const)(
    'in %s computes the vectors of sentence-transformers for longer texts',
    { timeout: 10 * minutes },
    async (precision) => {
      await checkSmallModel({ precision }, [mostTokens + 1, 32_768]);
    },
  );

  it('retrieves what sentence-transformers retrieves', { timeout: 3 * minutes }, async () => {
    await checkRetrieval(Object.keys(figures));
  });
});

// Instruction sets that the CPU does not have are skipped. Only the ops differ between them, and
// short texts run all of them.
const instructionSets =
  process.arch === 'x64'
    ? [
        ['scalar', 'scalar'],
        ['avx2', 'AVX2'],
        ['avx512', 'AVX-512'],
        ['avx512bf16', 'AVX-512 BF16'],
      ]
    : [
        ['scalar', 'scalar'],
        ['neon', 'NEON'],
        ['neonbf16', 'NEON BF16'],
      ];

describe.each(instructionSets)('%s', (isa, name) => {
  let isSupported = false;

  beforeAll(async () => {
    try {
      await using embedder = await load(smallModel, { precision: 'bf16' }, isa);
      expect(embedder.device.instructionSet).toBe(name);
      isSupported = true;
    } catch (error) {
      const isMissing = error instanceof EmbedderError && error.code === 'DEVICE_UNAVAILABLE';
      if (!isMissing || isa === 'scalar') throw error; // every CPU supports scalar
    }
  });

  it.for(['f32', 'bf16'] as const)(
    'computes the vectors of Hugging Face in %s',
    { timeout: 3 * minutes },
    async (precision, context) => {
      if (!isSupported) context.skip('this CPU does not support it');
      for (const name of randomModelNames)
        await checkRandomModel(name, { precision }, [1, 1_025], isa);
      await checkSmallModel({ precision }, [1, 1_025], isa);
    },
  );

  it('retrieves what sentence-transformers retrieves', {
    timeout: 3 * minutes,
  }, async (context) => {
    if (!isSupported) context.skip('this CPU does not support it');
    await checkRetrieval(['instruction-256', 'bare-32'], isa);
  });
});
