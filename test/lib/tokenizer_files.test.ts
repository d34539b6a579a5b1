// Files that a tokenizer does not accept: damaged ones, contradictory ones, and those that ask for
// what is not supported. Each must result in ids or an EmbedderError.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Cancellation } from '../../lib/cancellation';
import { Tokenizer } from '../../lib/text/tokenizer';
import { run, script } from '../support/child';
import { Draw as Draws, randomNumbers } from '../support/random_numbers.cjs';
import { temporaryFolder } from '../support/temporary_folder';
import {
  type AddedToken,
  endTemplate,
  type Processor,
  shortTokenizer,
  smallTokenizer,
  type TokenizerJson,
  unflagged,
} from '../support/tokenizer_json.cjs';

type Draw = InstanceType<typeof Draws>;

const rows = 16_384;
const seed = 20_261_129;
const never = new Cancellation();

async function opened(json: unknown, vocabulary = rows): Promise<Tokenizer> {
  const file = path.join(temporaryFolder(), 'tokenizer.json');
  writeFileSync(file, typeof json === 'string' ? json : JSON.stringify(json));
  return Tokenizer.open(file, vocabulary, never);
}

async function idsOf(tokenizer: Tokenizer, text: string): Promise<number[]> {
  const limits = { maxTokens: 2 ** 32 - 1, truncate: false, keepIds: true };
  const options = { specialTokens: 'parse', ...limits } as const;
  const { ids, refused } = await tokenizer.encode('', [text], options, never);
  expect(refused).toBeUndefined();
  return [...ids];
}

// The text of a value that has the wrong type, or is too large, for most places.
const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
const wrongValues = [
  ...['null', 'true', 'false', '0', '-1', '1.5', '-0', '1e2', '2147483648', '4294967295'],
  ...['4294967296', '1e308', '9'.repeat(400), '""', '"x"', '"\\ud800"', '"\\u0000"', '" "'],
  ...['[]', '[[]]', '[0]', '[""]', '{}', '{"x":1}', '{"type":"NFC"}', '{"type":"Sequence"}'],
  ...[JSON.stringify('x'.repeat(100_000)), deep, `{"x":${deep}}`],
];

interface Place {
  readonly name: string;
  /** The text of the file with other text in place of the value, or of its key and itself. */
  replaced(value: string): string;
  doubled(value: string): string;
  deleted(): string;
}

/** All values of a file; of long lists only the first, second and last. */
function placesOf(whole: unknown): Place[] {
  // The text before and after a value is kept, so that keys can be written twice.
  const visit = (value: unknown, name: string, before: string, after: string): Place[] => {
    if (typeof value !== 'object' || value === null) return [];
    const isList = Array.isArray(value);
    const members = Object.entries(value).map(
      ([key, each]) => [key, isList ? '' : `${JSON.stringify(key)}:`, each] as const,
    );
    const [open, close] = isList ? '[]' : '{}';
    return members.flatMap(([key, prefix, each], index) => {
      if (index > 1 && index < members.length - 1 && members.length > 40) return [];
      const write = (list: readonly (readonly [string, string, unknown])[]) =>
        list.map(([, its, other]) => its + JSON.stringify(other));
      const left = write(members.slice(0, index));
      const right = write(members.slice(index + 1));
      const text = (own: readonly string[]) =>
        `${before}${open}${[...left, ...own, ...right].join(',')}${close}${after}`;
      const own = `${name}.${key}`;
      const [start = '', end = ''] = text(['\0']).split('\0');
      return [
        {
          name: own,
          replaced: (other) => text([prefix + other]),
          doubled: (other) => text([prefix + JSON.stringify(each), prefix + other]),
          deleted: () => text([]),
        },
        ...visit(each, own, start + prefix, end),
      ];
    });
  };
  return visit(whole, '', '', '');
}

/** A file with some bytes that are others. */
function damaged(draw: Draw, bytes: Buffer): Buffer {
  const place = () => draw.below(draw.chance(0.5) ? Math.min(bytes.length, 3_000) : bytes.length);
  const copy = Buffer.from(bytes);
  const at = place();
  switch (draw.pick(['flip', 'flip', 'cut', 'overwrite', 'drop', 'insert', 'number', 'swap'])) {
    case 'flip':
      for (let i = 1 + draw.below(8); i > 0; i--) {
        const byte = place();
        copy[byte] = (copy[byte] as number) ^ (1 << draw.below(8));
      }
      return copy;
    case 'cut':
      return copy.subarray(0, at);
    case 'overwrite':
      return copy.fill(
        draw.pick([0, 0x22, 0x5c, 0x7f, 0xc0, 0xed, 0xff]),
        at,
        at + 1 + draw.below(8),
      );
    case 'drop':
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at + 1 + draw.below(64))]);
    case 'insert': {
      const inserted = draw.pick(['"', '\\', '{', '}', '[', ']', ',', ':', '\ud800', '0', 'null']);
      return Buffer.concat([copy.subarray(0, at), Buffer.from(inserted), copy.subarray(at)]);
    }
    default: {
      // latin1 preserves every byte.
      const text = copy.toString('latin1');
      const numbers = [...text.matchAll(/(?<=:|\[|,)\d+/g)];
      const { index, 0: number } = draw.pick(numbers);
      const other = draw.chance(0.5) ? draw.pick(numbers)[0] : draw.pick(wrongValues);
      return Buffer.from(
        text.slice(0, index) + other + text.slice(index + number.length),
        'latin1',
      );
    }
  }
}

it('thousands of damaged files give ids or an EmbedderError', { timeout: 240_000 }, async () => {
  const draw = new Draws(randomNumbers(seed));
  const short = shortTokenizer(120);
  const cases = placesOf(short).flatMap(({ name, replaced, doubled, deleted }) => [
    ...wrongValues.map((value): [string, string | Buffer] => [
      `${name} is ${value.slice(0, 30)}`,
      replaced(value),
    ]),
    [`${name} twice`, doubled(draw.pick(wrongValues))] as [string, string],
    [`${name} deleted`, deleted()] as [string, string],
  ]);
  const whole = [short, short, short, smallTokenizer()].map((json) =>
    Buffer.from(JSON.stringify(json)),
  );
  for (let i = 0; i < 1_000; i++)
    cases.push([`random damage ${i}`, damaged(draw, whole[i % 4] as Buffer)]);
  const folder = temporaryFolder();
  mkdirSync(path.join(folder, 'files'));
  cases.forEach(([, content], index) => {
    writeFileSync(path.join(folder, 'files', `${index}`), content);
  });
  const texts = ['', 'abc', 'x9 ', '<|endoftext|>', ' '.repeat(40), 'a'.repeat(5_000), 'é\ud800中'];
  const dist = path.join(__dirname, '..', '..', 'dist');
  const ended = await run(
    script(`
      const { Tokenizer } = require(${JSON.stringify(path.join(dist, 'text', 'tokenizer.js'))});
      const { Cancellation } = require(${JSON.stringify(path.join(dist, 'cancellation.js'))});
      process.on('warning', () => {});
      const never = new Cancellation();
      const limits = { maxTokens: 100, truncate: true, keepIds: true };
      for (let index = 0; index < ${cases.length}; index++) {
        const outcome = async () => {
          const file = process.argv[1] + '/files/' + index;
          const tokenizer = await Tokenizer.open(file, ${rows}, never);
          for (const specialTokens of ['parse', 'text', 'error']) {
            const options = { specialTokens, ...limits };
            const { ids } = await tokenizer.encode('', ${JSON.stringify(texts)}, options, never);
            if (ids.some((id) => id >= ${rows})) return 'an id that is too large';
          }
          tokenizer.close();
          return 'ids';
        };
        const result = await outcome().catch((error) =>
          error instanceof EmbedderError && error.message.length < 500
            ? error.code
            : 'not a short EmbedderError: ' + error.stack.slice(0, 1e4).replaceAll('\\n', ' '));
        console.log(index + ' ' + result);
      }`),
    { args: [folder], seconds: 200 },
  );
  const outcomes = ended.stdout.trim().split('\n');
  const nameOf = (outcome: string) => cases[Number.parseInt(outcome, 10)]?.[0];
  expect(ended, `seed ${seed}, at ${cases[outcomes.length]?.[0]}`).toMatchObject({
    code: 0,
    signal: null,
  });
  expect(outcomes).toHaveLength(cases.length);
  const expected = /^\d+ (ids|MODEL_INVALID|MODEL_UNSUPPORTED)$/;
  const unexpected = outcomes.filter((outcome) => !expected.test(outcome));
  expect(unexpected.map((each) => `seed ${seed}: ${each}, ${nameOf(each)}`)).toEqual([]);
  // All outcomes must be frequent, or the test is meaningless.
  for (const word of ['ids', 'MODEL_INVALID', 'MODEL_UNSUPPORTED'])
    expect(outcomes.filter((each) => each.endsWith(word)).length).toBeGreaterThan(100);
});

/** The component of a file's post_processor that puts tokens around a text. */
function templateOf(json: TokenizerJson): Required<Processor> {
  const found = json.post_processor?.processors?.find(({ type }) => type === 'TemplateProcessing');
  return found as Required<Processor>;
}

const text = { Sequence: { id: 'A', type_id: 0 } };
const added = (content: string, id: number) => ({ ...unflagged, content, id });

type Change = (json: TokenizerJson & Record<string, unknown>) => void;

describe('a file that asks for what is not supported is MODEL_UNSUPPORTED, with its name', () => {
  const roberta = { type: 'RobertaProcessing', sep: ['a', 2], cls: ['b', 0] };
  const split = (json: TokenizerJson) => json.pre_tokenizer.pretokenizers[0] as object;
  const byteLevel = (json: TokenizerJson) => json.pre_tokenizer.pretokenizers[1] as object;
  const model =
    (value: object): Change =>
    (json) => {
      Object.assign(json.model, value);
    };
  const normalizer =
    (value: object | null): Change =>
    (json) => {
      json.normalizer = value;
    };
  const preTokenizer =
    (value: unknown): Change =>
    (json) => {
      json.pre_tokenizer = value as TokenizerJson['pre_tokenizer'];
    };

  it.each<[string, Change]>([
    ['version is "2.0"', (json) => Object.assign(json, { version: '2.0' })],
    ['no normalizer', normalizer(null)],
    ['no normalizer', (json) => delete json.normalizer],
    ['normalizer is "NFKC"', normalizer({ type: 'NFKC' })],
    ['normalizer is "Sequence"', normalizer({ type: 'Sequence', normalizers: [{ type: 'NFC' }] })],
    [
      'normalizer is "Replace"',
      normalizer({ type: 'Replace', pattern: { Regex: '(?=(x+x+)+y)x' }, content: '' }),
    ],
    [
      'normalizer is "Precompiled"',
      normalizer({ type: 'Precompiled', precompiled_charsmap: 'AAAA////AAAA' }),
    ],
    ['normalizer is "Prepend"', normalizer({ type: 'Prepend', prepend: '' })],
    ['pre_tokenizer is missing', preTokenizer(null)],
    ['pre_tokenizer is "FixedLength"', preTokenizer({ type: 'FixedLength', length: 0 })],
    ['pre_tokenizer is "Metaspace"', preTokenizer({ type: 'Metaspace', replacement: 'x' })],
    [
      'pre_tokenizer has "Digits"',
      (json) => json.pre_tokenizer.pretokenizers.push({ type: 'Digits', individual_digits: true }),
    ],
    [
      'pre_tokenizer is the sequence "Split, Split, ByteLevel"',
      (json) =>
        json.pre_tokenizer.pretokenizers.unshift({
          type: 'Split',
          pattern: { Regex: '(a*)*b|(x+x+)+y|.' },
          behavior: 'Isolated',
          invert: false,
        }),
    ],
    ['pattern "\\u000a', (json) => Object.assign(split(json), { pattern: { Regex: '\n' } })],
    ['pattern "a', (json) => Object.assign(split(json), { pattern: { String: 'a' } })],
    ['behavior "Removed"', (json) => Object.assign(split(json), { behavior: 'Removed' })],
    ['invert', (json) => Object.assign(split(json), { invert: true })],
    ['add_prefix_space', (json) => Object.assign(byteLevel(json), { add_prefix_space: true })],
    ['use_regex', (json) => Object.assign(byteLevel(json), { use_regex: true })],
    ['"WordPiece"', model({ type: 'WordPiece', vocab: {}, unk_token: '[UNK]' })],
    ['"Unigram"', model({ type: 'Unigram', unk_id: 7, vocab: [['a', -1]], merges: undefined })],
    ['"Unigram"', model({ type: 'Unigram', unk_id: null, vocab: [['a', -1]], merges: undefined })],
    ['"model.unk_token"', model({ unk_token: 'a' })],
    ['"model.dropout"', model({ dropout: 1.5 })],
    ['"model.continuing_subword_prefix"', model({ continuing_subword_prefix: '##' })],
    ['"model.end_of_word_suffix"', model({ end_of_word_suffix: '</w>' })],
    ['"model.byte_fallback"', model({ byte_fallback: true })],
    ['"model.ignore_merges"', model({ ignore_merges: true })],
    ['"RobertaProcessing"', (json) => Object.assign(json, { post_processor: roberta })],
    ['"RobertaProcessing"', (json) => json.post_processor?.processors?.push(roberta as Processor)],
    ['the text twice', (json) => templateOf(json).single.push(text)],
    ['no place for the text', (json) => templateOf(json).single.shift()],
    [
      'no token for the byte 97',
      ({ model }) => {
        model.vocab.x0 = model.vocab.a as number;
        delete model.vocab.a;
      },
    ],
    [
      'a template after another one',
      (json) => json.post_processor?.processors?.push(endTemplate('a', 7)),
    ],
    [
      'template adds more than 256 tokens',
      (json) => {
        templateOf(json).special_tokens = {
          '<|endoftext|>': { id: 'a', ids: Array(257).fill(1), tokens: Array(257).fill('a') },
        };
      },
    ],
    ['added tokens have', (json) => json.added_tokens.push(added('x'.repeat(2 ** 20), 16_384))],
  ])('%s', async (message, change) => {
    const json = smallTokenizer();
    change(json as TokenizerJson & Record<string, unknown>);
    await expect(opened(json)).rejects.toMatchObject({
      name: 'EmbedderError',
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining(message),
    });
  });
});

describe('a file that contradicts itself or the model is MODEL_INVALID', () => {
  it.each<[string, Change]>([
    ['has the sequence "B"', (json) => templateOf(json).single.unshift({ Sequence: { id: 'B' } })],
    [
      'does not define "none"',
      (json) => templateOf(json).single.push({ SpecialToken: { id: 'none' } }),
    ],
    [
      'has 1 ids and 0 tokens',
      (json) => {
        for (const token of Object.values(templateOf(json).special_tokens)) token.tokens = [];
      },
    ],
    [
      'adds the token id 4294967295, but the model has 16384 tokens',
      (json) => {
        for (const token of Object.values(templateOf(json).special_tokens))
          token.ids = [2 ** 32 - 1];
      },
    ],
    [
      'more than 64 levels',
      (json) => {
        for (let i = 0; i < 120; i++) {
          const processors = [json.post_processor as Processor];
          json.post_processor = { type: 'Sequence', processors };
        }
      },
    ],
    ['merge has "zzzz"', ({ model }) => model.merges.unshift(['zzzz', 'yyyy'])],
    ['merge has "Ġthez"', ({ model }) => model.merges.push(['Ġthe', 'z'])],
    ['merges of two forms', ({ model }) => model.merges.push('a b')],
    ['does not have two parts', ({ model }) => model.merges.push(['a'] as never)],
    ['must be a string', ({ model }) => model.merges.splice(0, Infinity, 7 as never)],
    ['has "zz" or the id 5 twice', ({ model }) => Object.assign(model.vocab, { zz: 5 })],
    ['its vocabulary has the id 5 twice', ({ model }) => Object.assign(model.vocab, { 中: 5 })],
    [
      '"zz" has the id 16384, but the model has 16384',
      ({ model }) => Object.assign(model.vocab, { zz: 16_384 }),
    ],
    [
      'an id of model.vocab must be an integer',
      ({ model }) => Object.assign(model.vocab, { zz: 2 ** 32 }),
    ],
    [
      'an id of model.vocab must be an integer',
      ({ model }) => Object.assign(model.vocab, { zz: -1 }),
    ],
    [
      '"xyzzy" has the id 16385, but the next id is 16384',
      ({ added_tokens }) => added_tokens.push(added('xyzzy', 16_385), added('a b', 16_384)),
    ],
    ['"<think>" is given twice', ({ added_tokens }) => added_tokens.push(added('<think>', 16_384))],
    [
      '"the" has the id 16384, but its vocabulary has',
      ({ added_tokens }) => added_tokens.push(added('the', 16_384)),
    ],
    [
      'has no rstrip',
      ({ added_tokens }) => delete (added_tokens[1] as Partial<AddedToken>)?.rstrip,
    ],
    [
      'special must be true or false',
      ({ added_tokens }) => Object.assign(added_tokens[1] as AddedToken, { special: 1 }),
    ],
    [
      'when it is normalized',
      ({ added_tokens }) =>
        added_tokens.push(
          { ...added('é1', 16_384), normalized: true },
          { ...added('e\u03011', 16_385), normalized: true },
        ),
    ],
    ['has no model', (json) => delete (json as Partial<TokenizerJson>).model],
  ])('%s', async (message, change) => {
    const json = smallTokenizer();
    change(json as TokenizerJson & Record<string, unknown>);
    await expect(opened(json)).rejects.toMatchObject({
      name: 'EmbedderError',
      code: 'MODEL_INVALID',
      message: expect.stringContaining(message),
    });
  });

  it.each(['added_tokens', 'normalizer', 'pre_tokenizer', 'post_processor', 'model'] as const)(
    '%s is given twice',
    async (key) => {
      const json = shortTokenizer(10);
      const first = JSON.stringify({ [key]: json[key] }).slice(0, -1);
      const twice = `${first},${JSON.stringify(json).slice(1)}`;
      await expect(opened(twice)).rejects.toMatchObject({
        code: 'MODEL_INVALID',
        message: expect.stringContaining(`"${key}" is given twice`),
      });
    },
  );
});

describe('a file is read', () => {
  it.each<[string, Change]>([
    [
      'without added tokens',
      (json) => {
        delete (json as Partial<TokenizerJson>).added_tokens;
      },
    ],
    [
      'with truncation whose stride is too large',
      (json) => {
        json.truncation = {
          direction: 'Right',
          max_length: 2,
          strategy: 'LongestFirst',
          stride: 5,
        };
      },
    ],
    [
      'with padding to a multiple of 0',
      (json) => {
        json.padding = { strategy: 'BatchLongest', direction: 'Right', pad_to_multiple_of: 0 };
      },
    ],
    ['with an added token that is empty', ({ added_tokens }) => added_tokens.unshift(added('', 7))],
    ['with keys that are not known', (json) => Object.assign(json, { comment: { any: [1.5e3] } })],
    ['without a decoder', (json) => delete json.decoder],
    [
      'with merges of the old form',
      ({ model }) => {
        model.merges = ['#version: 0.2', ...model.merges.map((merge) => [merge].flat().join(' '))];
      },
    ],
  ])('%s', async (_, change) => {
    const json = smallTokenizer();
    const expected = await idsOf(await opened(json), 'a program that reads');
    change(json as TokenizerJson & Record<string, unknown>);
    expect(await idsOf(await opened(json), 'a program that reads')).toEqual(expected);
  });

  it('with more added tokens than the model has rows, until a text has one', async () => {
    const tokenizer = await opened(smallTokenizer(), 16_380);
    expect(await idsOf(tokenizer, 'a <|endoftext|> b')).toHaveLength(5);
    const options = {
      specialTokens: 'parse',
      maxTokens: 9,
      truncate: true,
      keepIds: true,
    } as const;
    const encode = (text: string, specialTokens: 'parse' | 'text' = 'parse') =>
      tokenizer.encode('', [text], { ...options, specialTokens }, never);
    expect((await encode('a <think> b')).refused).toEqual({ id: 16_382, content: '<think>' });
    expect((await encode('a <think> b', 'text')).refused).toBeUndefined();
  });
});
