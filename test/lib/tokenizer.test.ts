import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { Cancellation } from '../../lib/cancellation';
import type { EmbedRequest } from '../../lib/options/embed';
import { type Input, Inputs } from '../../lib/options/inputs';
import { addTokenIds, countTokens } from '../../lib/text/token_ids';
import { Tokenizer } from '../../lib/text/tokenizer';
import { longText, smallModel, textVectors, tokenGoldens } from '../support/goldens.cjs';
import { temporaryFolder } from '../support/temporary_folder';
import { embeddingTokenizer, smallTokenizer, unflagged } from '../support/tokenizer_json.cjs';

const endToken = 151643;
const plain: EmbedRequest = {
  prefix: undefined,
  specialTokens: 'parse',
  truncate: 'error',
  dimensions: 32,
  signal: undefined,
};
const never = new Cancellation();

function written(json: unknown): string {
  const file = path.join(temporaryFolder(), 'tokenizer.json');
  writeFileSync(file, JSON.stringify(json));
  return file;
}

/** Opens a file for a model whose embedding table has `vocabulary` rows. */
const open = (file: string, vocabulary = 151_669) => Tokenizer.open(file, vocabulary, never);

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
    { vocabulary: 151_669, maxTokens: max },
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
    tokenizer = await open(written(embeddingTokenizer()));
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

  it('knows all 26 control tokens', async () => {
    const added = embeddingTokenizer().added_tokens;
    expect(added.map(({ id }) => id)).toEqual(Array.from({ length: 26 }, (_, i) => endToken + i));
    for (const { id, content } of added) {
      const text = `before ${content} after`;
      await expect(one(text, { specialTokens: 'error' })).rejects.toThrow(
        new RangeError(
          `input[0] contains the special token ${content}: ` +
            "remove it, or set specialTokens to 'parse' or 'text'.",
        ),
      );
      expect(await one(text, { specialTokens: 'text' })).toSatisfy((ids: number[]) =>
        ids.slice(0, -1).every((each) => each < endToken),
      );
      expect(await one(text)).toContain(id);
    }
    expect(await one('before after', { specialTokens: 'error' })).toHaveLength(3);
  });
});

describe('tokenizer.json', () => {
  it('whose template does not append the end token: it is appended, with one warning', async () => {
    const json = embeddingTokenizer();
    json.post_processor.processors?.pop();
    const warnings: Error[] = [];
    const listen = (warning: Error) => warnings.push(warning);
    process.on('warning', listen);
    const file = written(json);
    await open(file);
    const tokenizer = await open(file);
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
    const json = embeddingTokenizer();
    json.truncation = { direction: 'Right', max_length: 3, strategy: 'LongestFirst', stride: 0 };
    json.padding = {
      strategy: { Fixed: 9 },
      direction: 'Left',
      pad_to_multiple_of: null,
      pad_id: 151643,
      pad_type_id: 0,
      pad_token: '<|endoftext|>',
    };
    const tokenizer = await open(written(json));
    expect((await idsOf(tokenizer, ['hello there my friend'])).lengths).toEqual(Uint32Array.of(5));
  });

  it('whose template names a token that it does not define is MODEL_INVALID', async () => {
    const json = embeddingTokenizer();
    Object.assign(json.post_processor.processors?.[1] ?? {}, { special_tokens: {} });
    await expect(open(written(json))).rejects.toMatchObject({ code: 'MODEL_INVALID' });
  });

  it('with a long special token: a message has its start', async () => {
    const json = embeddingTokenizer();
    const content = `<|${'x'.repeat(100_000)}|>`;
    Object.assign(json.added_tokens.at(-1) ?? {}, { content });
    const tokenizer = await open(written(json));
    const call = idsOf(tokenizer, [`a ${content}`], { specialTokens: 'error' });
    await expect(call).rejects.toThrow(/^input\[0\] .* token <\|x{58}\.\.\.: remove/);
  });

  it('with an added word that is not special: it is one token in all modes', async () => {
    const json = smallTokenizer();
    json.added_tokens.push({ ...unflagged, id: 16_384, content: 'kubectl' });
    const tokenizer = await open(written(json));
    const plainIds = (text: string) => idsOf(tokenizer, [text], { specialTokens: 'text' });
    const [before, after] = [await plainIds('run '), await plainIds(' get')];
    const expected = [...before.ids.slice(0, -1), 16_384, ...after.ids];
    for (const specialTokens of ['parse', 'text', 'error'] as const) {
      const { ids } = await idsOf(tokenizer, ['run kubectl get'], { specialTokens });
      expect([...ids], specialTokens).toEqual(expected);
    }
  });

  it('with a template on both sides: it is kept when a text is cut', async () => {
    const json = smallTokenizer();
    const piece = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
    const token = (id: string, ids: number[]) => [id, { id, ids, tokens: ids.map(String) }];
    json.post_processor = {
      type: 'TemplateProcessing',
      single: [piece('x'), { Sequence: { id: 'A', type_id: 0 } }, piece('y'), piece('x')],
      pair: [],
      special_tokens: Object.fromEntries([token('x', [7, 8]), token('y', [9])]),
    };
    const tokenizer = await open(written(json));
    const cut = async (max: number) => [
      ...(await idsOf(tokenizer, ['one two three'], { truncate: 'end' }, max)).ids,
    ];
    const whole = await cut(100);
    const content = whole.slice(2, -3);
    expect(whole).toEqual([7, 8, ...content, 9, 7, 8]);
    for (let length = 0; length <= content.length; length++)
      expect(await cut(5 + length)).toEqual([7, 8, ...content.slice(0, length), 9, 7, 8]);
    for (const truncate of ['error', 'end'] as const) {
      await expect(idsOf(tokenizer, ['one'], { truncate }, 4)).rejects.toMatchObject({
        code: 'INPUT_TOO_LONG',
        message: expect.stringContaining('input[0] has more than 4 tokens, but the limit is 4'),
      });
    }
  });

  it.each([
    ['that is not JSON', '{'],
    ['of another kind', '{}'],
    ['that is empty', ''],
    ['without a model', '{"added_tokens": [], "post_processor": null}'],
  ])('%s is MODEL_INVALID', async (_, text) => {
    const file = path.join(temporaryFolder(), 'tokenizer.json');
    writeFileSync(file, text);
    await expect(open(file)).rejects.toMatchObject({
      name: 'EmbedderError',
      code: 'MODEL_INVALID',
    });
  });
});

describe('token ids of a call', () => {
  let tokenizer: Tokenizer;

  beforeAll(async () => {
    tokenizer = await open(path.join(smallModel, 'tokenizer.json'));
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
      { vocabulary: 16_384, maxTokens: 32_768 },
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
      { vocabulary: 16_384, maxTokens: 32_768 },
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
    // Only a text that spells it out meets an added token that the model does not have.
    const short = await open(path.join(smallModel, 'tokenizer.json'), 16_381);
    const count = (text: string) => countTokens(new Inputs(text), plain, 16_381, short, never);
    expect(await count('a <|im_start|> b')).toEqual([5]);
    await expect(count('a <|im_end|> b')).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(
        /^input contains <\|im_end\|>, which has the token id 16381 .* has 16381 tokens/,
      ),
    });
  });

  it('that are invalid are named by their place in the call', async () => {
    const inputs = Array<Uint32Array>(1_000).fill(Uint32Array.of(1));
    const failing = (last: Uint32Array | number) =>
      idsOf(undefined, [...inputs, last] as Input[], {}, 32_768);
    await expect(failing(Uint32Array.of(151_669))).rejects.toThrow(/^input\[1000\] has the token/);
    await expect(failing(new Uint32Array(40_000))).rejects.toThrow(/^input\[1000\] has 40000 tok/);
    await expect(failing(5)).rejects.toThrow(/^input\[1000\] must be/);
    const texts = [...inputs, 'fine', Uint32Array.of(1), '<|im_end|>'];
    await expect(idsOf(tokenizer, texts, { specialTokens: 'error' })).rejects.toThrow(
      /^input\[1002\] contains the special token <\|im_end\|>/,
    );
    await expect(idsOf(tokenizer, [...inputs, 'a', 'too long'], {}, 2)).rejects.toThrow(
      /^input\[1001\] has more than 2 tokens, but the limit is 2/,
    );
  });

  it('need a tokenizer.json for texts', async () => {
    await expect(idsOf(undefined, ['text'])).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it.each<[string, Input]>([
    ['texts', 'a text'],
    ['token ids', Uint32Array.of(1)],
  ])('are not computed further once a call with %s is cancelled', async (_, input) => {
    const cancellation = new Cancellation();
    const inputs = new Inputs(Array(5_000).fill(input));
    const call = countTokens(inputs, plain, 16_384, tokenizer, cancellation);
    cancellation.cancel(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
    expect(inputs.take(4_999)).toEqual(input);
  });
});
