// The tokenizer against Hugging Face's, from the npm package `tokenizers`: the same ids for random
// texts, for Qwen3's file, the small model's, and random variants of it.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Tokenizer as Library } from 'tokenizers';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { TokenizeOptions } from '../../lib/addon/types';
import { Cancellation } from '../../lib/cancellation';
import { Tokenizer } from '../../lib/text/tokenizer';
import { tokenGoldens } from '../support/goldens.cjs';
import { Draw as Draws, randomNumbers } from '../support/random_numbers.cjs';
import { difference, lettersOf, randomText } from '../support/random_texts.cjs';
import { temporaryFolder } from '../support/temporary_folder';
import {
  type AddedToken,
  embeddingTokenizer,
  endTemplate,
  type Processor,
  shortTokenizer,
  smallTokenizer,
  type TokenizerJson,
  unflagged,
} from '../support/tokenizer_json.cjs';

const seed = 20_261_128;
const never = new Cancellation();
const unlimited: TokenizeOptions = {
  specialTokens: 'parse',
  maxTokens: 2 ** 32 - 1,
  truncate: false,
  keepIds: true,
};

const isControl = ({ special, content }: Omit<AddedToken, 'id'>) =>
  special || (content.startsWith('<') && content.endsWith('>'));

type Draw = InstanceType<typeof Draws>;
type Encode = Parameters<typeof difference>[1];
type Json = Partial<TokenizerJson> & Pick<TokenizerJson, 'model'>;

function libraryOf(json: Json): Library {
  const library = Library.fromString(JSON.stringify(json));
  library.disableTruncation();
  library.disablePadding();
  return library;
}

/** A file, opened by both tokenizers. */
class Pair {
  private constructor(
    readonly json: Json,
    readonly own: Tokenizer,
    readonly library: Library,
    /** The number of tokens around a text. */
    readonly added: number,
    /** The token that is appended because the template adds none; Hugging Face appends nothing. */
    readonly appended: readonly number[],
  ) {}

  static async open(json: Json, rows: number): Promise<Pair> {
    const file = path.join(temporaryFolder(), 'tokenizer.json');
    writeFileSync(file, JSON.stringify(json));
    const library = libraryOf(json);
    const around = (await library.encode('')).getLength();
    const appended = around > 0 ? [] : [endToken(json)];
    const own = await Tokenizer.open(file, rows, never);
    return new Pair(json, own, library, around + appended.length, appended);
  }

  /** A function that converts texts, each with `prefix` before it. */
  encode(options: Partial<TokenizeOptions> = {}, prefix = ''): Encode {
    return async (texts) => {
      const all = { ...unlimited, ...options };
      const { ids, lengths } = await this.own.encode(prefix, texts, all, never);
      let end = 0;
      return Array.from(lengths, (length) => {
        end += length;
        return ids.subarray(end - length, end);
      });
    };
  }

  /** The same of the library, or of another one. */
  reference({ maxTokens = 0, prefix = '', library = this.library } = {}): Encode {
    return async (texts) => {
      if (maxTokens > 0) library.setTruncation(maxTokens - this.appended.length);
      const encodings = await library.encodeBatch(texts.map((text) => prefix + text));
      library.disableTruncation();
      return encodings.map((encoding) => [...encoding.getIds(), ...this.appended]);
    };
  }

  /** The library with a file that has no control tokens. */
  withoutControl(): Library {
    const added_tokens = this.json.added_tokens?.filter((token) => !isControl(token)) ?? [];
    return libraryOf({ ...this.json, added_tokens });
  }

  /** Whether other added tokens keep their ids without them. */
  get controlIsLast(): boolean {
    const { added_tokens = [] } = this.json;
    const first = added_tokens.findIndex(isControl);
    return first < 0 || added_tokens.slice(first).every(isControl);
  }
}

const endToken = ({ added_tokens = [], model }: Json): number =>
  added_tokens.find(({ content }) => content === '<|endoftext|>')?.id ??
  (model.vocab['<|endoftext|>'] as number);

const ingredientsOf = ({ added_tokens = [], model }: Json) => ({
  tokens: added_tokens.map(({ content }) => content).filter((content) => content !== ''),
  pieces: lettersOf(model.vocab),
});

/** Compares all modes on random texts. */
async function compare(pair: Pair, draw: Draw, count: number, rarity: number, name: string) {
  const ingredients = ingredientsOf(pair.json);
  const plain = pair.withoutControl();
  const at = `seed ${seed}, ${name}`;
  const batch = Math.min(count, 400);
  for (let done = 0; done < count; done += batch) {
    const texts = Array.from({ length: batch }, () => randomText(draw, ingredients, rarity));
    expect(await difference(texts, pair.encode(), pair.reference()), at).toBeUndefined();
    // The modes on fewer texts, because they differ at the beginning and the end only.
    const some = texts.slice(0, batch / 8);
    const compareSome = async (how: string, own: Encode, reference: Encode) =>
      expect(await difference(some, own, reference), `${at}, ${how}`).toBeUndefined();
    if (pair.controlIsLast) {
      const own = pair.encode({ specialTokens: 'text' });
      await compareSome('as text', own, pair.reference({ library: plain }));
    }
    const prefix = texts.at(-1)?.slice(0, 100);
    await compareSome('prefixed', pair.encode({}, prefix), pair.reference({ prefix }));
    const maxTokens = pair.added + draw.below(draw.chance(0.5) ? 8 : 100);
    const own = pair.encode({ maxTokens, truncate: true });
    await compareSome(`cut to ${maxTokens}`, own, pair.reference({ maxTokens }));
    await compareLengths(pair, some, maxTokens);
    await compareRefusals(pair, some);
  }
}

/** Lengths without ids; those of texts that are longer than a limit are not known exactly. */
async function compareLengths(pair: Pair, texts: readonly string[], maxTokens: number) {
  const lengths = (await pair.reference()(texts)).map((ids) => ids.length);
  const counted = await pair.own.encode('', texts, { ...unlimited, keepIds: false }, never);
  expect([...counted.lengths]).toEqual(lengths);
  expect(counted.ids).toHaveLength(0);
  const limited = await pair.own.encode('', texts, { ...unlimited, maxTokens }, never);
  const capped = [...limited.lengths].map((length) => Math.min(length, maxTokens + 1));
  expect(capped).toEqual(lengths.map((length) => Math.min(length, maxTokens + 1)));
}

/** `error` refuses the texts whose ids have a control token, and tells the first of them. */
async function compareRefusals(pair: Pair, texts: readonly string[]) {
  const control = new Map(
    (pair.json.added_tokens ?? []).filter(isControl).map(({ id, content }) => [id, content]),
  );
  // A token of the vocabulary may also be what a word consists of.
  const tokens = Object.keys(pair.json.model.vocab).length;
  if ([...control.keys()].some((id) => id < tokens)) return;
  const options = { ...unlimited, specialTokens: 'error' } as const;
  const bare = await pair.library.encodeBatch([...texts], { addSpecialTokens: false });
  const firstControl = bare.map((each) => each.getIds().find((id) => control.has(id)));
  for (let first = 0; first < texts.length; ) {
    const { lengths, refused } = await pair.own.encode('', texts.slice(first), options, never);
    const at = firstControl.findIndex((id, i) => i >= first && id !== undefined);
    expect(lengths).toHaveLength((at < 0 ? texts.length : at) - first);
    const id = firstControl[at];
    expect(refused).toEqual(id === undefined ? undefined : { id, content: control.get(id) });
    first += lengths.length + 1;
  }
}

describe('ids equal those of Hugging Face', () => {
  let draw: Draw;

  beforeEach(() => {
    draw = new Draws(randomNumbers(seed));
  });

  beforeAll(() => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {}); // about missing end tokens
  });

  it('for Qwen3’s tokenizer', { timeout: 180_000 }, async () => {
    const pair = await Pair.open(embeddingTokenizer(), 151_669);
    const goldens = tokenGoldens().cases.map(({ text }) => text);
    expect(await difference(goldens, pair.encode(), pair.reference())).toBeUndefined();
    await compare(pair, draw, 38_000, 32, 'Qwen3');
    pair.own.close();
  });

  it('for the small model’s tokenizer', { timeout: 180_000 }, async () => {
    const pair = await Pair.open(smallTokenizer(), 16_384);
    await compare(pair, draw, 38_000, 32, 'the small model');
    pair.own.close();
  });

  it('for random variants of its file', { timeout: 180_000 }, async () => {
    const whole = smallTokenizer();
    for (let round = 0; round < 100; round++) {
      const json = variant(draw, whole);
      const { vocab: _, merges, ...model } = json.model;
      const shown = JSON.stringify({ ...json, model: { ...model, merges: merges.length } });
      const pair = await Pair.open(json, 20_000);
      await compare(pair, draw, 240, 30, `variant ${round}: ${shown}`);
      pair.own.close();
    }
  });

  it.each([
    ['random merges', 200, randomMerges],
    ['merges that depend on what comes after them', 40, chainedMerges],
  ])('for %s', { timeout: 180_000 }, async (name, rounds, create) => {
    const bytes = shortTokenizer(0);
    for (let round = 0; round < rounds; round++) {
      const { merges, word } = create(draw);
      const model = { ...bytes.model, ...withTokens(bytes.model.vocab, merges) };
      const added_tokens = withIds([{ ...unflagged, content: '<|endoftext|>' }], model.vocab);
      const pair = await Pair.open({ ...bytes, model, added_tokens }, 20_000);
      const texts = Array.from({ length: 20 }, word);
      const found = await difference(texts, pair.encode(), pair.reference());
      const shown = merges.map((merge) => merge.join(' ')).join(', ');
      expect(found, `seed ${seed}, ${name} ${round}: ${shown}`).toBeUndefined();
      pair.own.close();
    }
  });
});

// Words, parts of words, white space, marks, and tokens that contain others.
const contents = [
  ...['kubectl', 'the', 'ing', "n't", 'a', 'ab', 'abc', 'bc', 'don', 'é', 'e\u0301', 'n\u0303o'],
  ...[
    '\u0301',
    '\u212b',
    'Å',
    '\u0958',
    '가',
    '\u1100\u1161',
    '中',
    '中文',
    '世',
    '😀',
    '\u{1d15e}',
  ],
  ...[' new york', 'new york', ' lead', 'trail ', ' ', '  ', '\n', '\n\n', '\u3000', '\t', ' a'],
  ...[
    '<x>',
    '<',
    '>',
    '<|x',
    '<|endoftext|>x',
    '|>',
    '<a><b>',
    '<b>',
    '[PAD]',
    '1',
    '12',
    '=',
    '==',
  ],
  ...["'s", '!', '_', '\u200d', '\ufffd', '\0', 'I', 'ı', 'ß', '\u0338', '=\u0338', '≠', '', 'Ġ'],
];

/** A random file that is supported. */
function variant(draw: Draw, whole: TokenizerJson): Json {
  let { vocab } = whole.model;
  if (draw.chance(0.2)) vocab = withUnusable(vocab);
  if (draw.chance(0.2)) vocab = shuffledIds(draw, vocab);
  const model = { ...whole.model, vocab, merges: changedMerges(draw, whole.model.merges) };
  const json: Json = {
    ...whole,
    model,
    truncation: draw.pick([null, truncation]),
    padding: draw.pick([null, padding]),
    decoder: draw.pick([null, whole.decoder]),
  };
  if (draw.chance(0.5)) {
    const { continuing_subword_prefix: _, ...rest } = model as typeof model & {
      [key: string]: unknown;
    };
    json.model = { ...rest, ...draw.pick([{}, { continuing_subword_prefix: '' }]) };
  }
  const chosen = draw.shuffled(contents).slice(0, draw.below(16));
  const added = [...chosen, '<|endoftext|>'].map((content) => randomToken(draw, content));
  const drawn = distinct(draw.shuffled(added));
  if (draw.chance(0.5)) drawn.sort((a, b) => Number(isControl(a)) - Number(isControl(b)));
  json.added_tokens = withIds(drawn, vocab);
  json.post_processor = randomProcessor(draw);
  if (draw.chance(0.1)) {
    delete json.added_tokens;
    // Without it, the end token would not be known.
    json.post_processor = endTemplate('a', 7);
  }
  return json;
}

interface Created {
  readonly merges: readonly (readonly [string, string])[];
  /** Draws a word that they apply to. */
  readonly word: () => string;
}

/** Several ways may lead to a token. The merges are in any order, or in order. */
function randomMerges(draw: Draw): Created {
  const letters = 'abcdef'.slice(0, 1 + draw.below(6));
  const tokens = [...letters];
  const merges: [string, string][] = [];
  for (let count = draw.size(2, 300); merges.length < count; ) {
    const merge: [string, string] = [draw.pick(tokens), draw.pick(tokens)];
    const result = merge.join('');
    if (result.length > 40) continue;
    merges.push(merge);
    if (!tokens.includes(result)) tokens.push(result);
  }
  const random = (size: number) => Array.from({ length: size }, () => draw.pick(letters)).join('');
  const word = () => {
    const size = draw.size(1, draw.chance(0.3) ? 20_000 : 100);
    if (draw.chance(0.5)) return random(size);
    const part = random(draw.size(1, 50));
    return (
      random(draw.below(5)) + part.repeat(Math.ceil(size / part.length)) + random(draw.below(5))
    );
  };
  return { merges: draw.chance(0.3) ? draw.shuffled(merges) : merges, word };
}

/**
 * A chain of parts, of which each merges with the next one, the last ones first. So how a word
 * begins depends on how it ends: the parts are pairs from the end.
 */
function chainedMerges(draw: Draw): Created {
  const length = 2 + draw.below(4);
  const parts = Array.from({ length: draw.size(20, 600) }, (_, i) => {
    const letters = [...i.toString(26).padStart(length, '0')].map((digit) =>
      Number.parseInt(digit, 26),
    );
    // The first letter of a part is upper case, so that letters merge within parts only.
    return letters.map((n, at) => String.fromCharCode((at === 0 ? 0x41 : 0x61) + n)).join('');
  });
  const starts = parts.flatMap((part) =>
    Array.from({ length: length - 1 }, (_, i) => [part.slice(0, i + 1), part[i + 1]] as const),
  );
  const distinctStarts = new Map(
    starts.map((merge) => [merge.join(''), merge as [string, string]]),
  );
  const chain = parts.slice(1).map((part, i): [string, string] => [parts[i] as string, part]);
  const kept = chain.reverse().filter(() => draw.chance(0.999));
  const word = () => {
    let text = '';
    for (const size = draw.size(1, 20_000); text.length < size; ) {
      const first = draw.below(parts.length);
      text += parts.slice(first, first + draw.size(1, parts.length)).join('');
    }
    return text;
  };
  return { merges: [...distinctStarts.values(), ...kept], word };
}

/** A vocabulary with the results of merges. */
function withTokens(bytes: Readonly<Record<string, number>>, merges: Created['merges']) {
  const vocab = { ...bytes };
  let next = Object.keys(vocab).length;
  for (const merge of merges) vocab[merge.join('')] ??= next++;
  return { vocab, merges: merges.map(([left, right]): [string, string] => [left, right]) };
}

/** With tokens that no word has, because they are not in the byte-level alphabet. */
function withUnusable(vocab: Readonly<Record<string, number>>) {
  const all = { ...vocab };
  let next = Object.keys(vocab).length;
  for (const token of ['中', 'new york', ' ', '\n', '', '[PAD]']) all[token] ??= next++;
  return all;
}

function shuffledIds(draw: Draw, vocab: Readonly<Record<string, number>>) {
  const ids = draw.shuffled(Object.values(vocab));
  return Object.fromEntries(Object.keys(vocab).map((token, i) => [token, ids[i] as number]));
}

type Merges = TokenizerJson['model']['merges'];

/** Merges without some, in another order, with some twice, or in the old form. */
function changedMerges(draw: Draw, merges: Merges): Merges {
  let changed = merges;
  if (draw.chance(0.3)) changed = changed.filter(() => draw.chance(0.8));
  if (draw.chance(0.2)) changed = draw.shuffled(changed);
  if (draw.chance(0.2)) changed = [...changed, ...changed.filter(() => draw.chance(0.1))];
  if (!draw.chance(0.5)) return changed;
  return ['#version: 0.2', ...changed.map((merge) => [merge].flat().join(' '))];
}

const truncation = { direction: 'Right', max_length: 3, strategy: 'LongestFirst', stride: 0 };
const padding = {
  strategy: { Fixed: 9 },
  direction: 'Left',
  pad_to_multiple_of: null,
  pad_id: 0,
  pad_type_id: 0,
  pad_token: '!',
};

function randomToken(draw: Draw, content: string): Omit<AddedToken, 'id'> {
  const flags = Object.keys(unflagged).map((flag) => [flag, draw.chance(0.35)]);
  const token = { ...unflagged, ...Object.fromEntries(flags), content };
  // If another token has taken all white space before it, Hugging Face ends the process.
  if (content.trim() === '') token.lstrip = false;
  return token;
}

/** Without those that are the same after normalization. */
function distinct<T extends Omit<AddedToken, 'id'>>(tokens: readonly T[]): T[] {
  const seen = new Set<string>();
  return tokens.filter(({ content }) => {
    const key = content.normalize('NFC');
    return !seen.has(key) && seen.add(key);
  });
}

/** Hugging Face's ids: the vocabulary's, or the next ones behind it. */
function withIds(tokens: readonly Omit<AddedToken, 'id'>[], vocab: Record<string, number>) {
  let next = Object.keys(vocab).length;
  return tokens.map((token): AddedToken => {
    const id = token.content === '' ? 0 : (vocab[token.content] ?? next++);
    return { ...token, id };
  });
}

const byteLevel = {
  type: 'ByteLevel',
  add_prefix_space: true,
  trim_offsets: false,
  use_regex: true,
};

/** A template with up to three tokens on each side, a sequence with one, or none. */
function randomProcessor(draw: Draw): Processor | undefined {
  const kind = draw.random();
  if (kind < 0.1) return byteLevel;
  if (kind < 0.2) return undefined;
  if (kind < 0.5) return randomTemplate(draw);
  // Hugging Face cannot apply a template to what another one has put around a text.
  const empty = { ...randomTemplate(draw), single: [sequence('A')] };
  const others = () => Array.from({ length: draw.below(3) }, () => draw.pick([byteLevel, empty]));
  const inner = { type: 'Sequence', processors: [...others(), randomTemplate(draw)] };
  return { type: 'Sequence', processors: [...others(), inner, ...draw.pick([[], [byteLevel]])] };
}

const sequence = (id: string) => ({ Sequence: { id, type_id: 0 } });

function randomTemplate(draw: Draw): Processor {
  const names = ['x', 'y', '<|z|>'];
  const some = () =>
    Array.from({ length: draw.below(4) }, () => ({
      SpecialToken: { id: draw.pick(names), type_id: draw.below(2) },
    }));
  const special = names.map((name) => {
    const ids = Array.from({ length: 1 + draw.below(3) }, () => draw.below(16_000));
    return [name, { id: name, ids, tokens: ids.map(String) }];
  });
  return {
    type: 'TemplateProcessing',
    single: [...some(), sequence('A'), ...some()],
    pair: [sequence('A'), sequence('B')],
    special_tokens: Object.fromEntries(special),
  };
}
