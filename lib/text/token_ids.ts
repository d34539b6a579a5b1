// Converts the inputs of a call to token ids: adds prompts, enforces limits, checks every id. Works
// in slices and yields to the event loop between them, so that a call with a million texts does not
// block it.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { ModelConfig } from '../addon/types';
import type { Cancellation } from '../cancellation';
import { EmbedderError } from '../errors';
import type { CountRequest, EmbedRequest } from '../options/embed';
import type { Input, Inputs } from '../options/inputs';
import { shorten } from '../show';
import type { Tokenizer } from './tokenizer';

/** Token ids of consecutive inputs, one after another, and the count of each input. */
export interface TokenIds {
  readonly ids: Uint32Array;
  readonly lengths: Uint32Array;
}

// Characters and ids per slice: about 4,000 tokens, copied out of the tokenizer in 0.5 ms.
const sliceSize = 16_384;
const sliceInputs = 256;

/**
 * Calls `add` with the token ids of all inputs, slice by slice, each input of at most
 * `maxPositions` tokens: longer ones are truncated or refused according to `request.truncate`.
 * Resolves when all are added. Rejects with the reason if the call is cancelled; with
 * `INPUT_TOO_LONG`; for an id outside of the vocabulary, with `MODEL_INVALID` if it is from the
 * tokenizer and a `RangeError` if it is from the caller; with a `RangeError` for a special token if
 * `request.specialTokens` is `error`; and as Inputs.take.
 */
export function addTokenIds(
  inputs: Inputs,
  request: Pick<EmbedRequest, keyof CountRequest | 'truncate'>,
  { vocabulary, maxPositions }: Pick<ModelConfig, 'vocabulary' | 'maxPositions'>,
  tokenizer: Tokenizer | undefined,
  cancellation: Cancellation,
  add: (slice: TokenIds) => void,
): Promise<void> {
  return eachSlice(inputs, request, vocabulary, tokenizer, cancellation, (slice, first) => {
    const lengths = Uint32Array.from(slice, ({ length }, offset) => {
      if (length <= maxPositions || request.truncate === 'end')
        return Math.min(length, maxPositions);
      throw new EmbedderError(
        'INPUT_TOO_LONG',
        `${inputs.name(first + offset)} has ${length} tokens, but the limit is ${maxPositions}: ` +
          `split the text, or use truncate: 'end'.`,
      );
    });
    const ids = new Uint32Array(lengths.reduce((sum, length) => sum + length, 0));
    let end = 0;
    slice.forEach((tokens, offset) => {
      const begin = end;
      end += lengths[offset] as number;
      for (let i = begin; i < end - 1; i++) ids[i] = tokens[i - begin] as number;
      // A truncated text keeps its last token, because that one is pooled.
      ids[end - 1] = tokens[tokens.length - 1] as number;
    });
    add({ ids, lengths });
  });
}

/** Count of tokens of each input. Rejects as addTokenIds, but never with `INPUT_TOO_LONG`. */
export async function countTokens(
  inputs: Inputs,
  request: CountRequest,
  vocabulary: number,
  tokenizer: Tokenizer | undefined,
  cancellation: Cancellation,
): Promise<number[]> {
  const counts: number[] = [];
  await eachSlice(inputs, request, vocabulary, tokenizer, cancellation, (slice) => {
    for (const tokens of slice) counts.push(tokens.length);
  });
  return counts;
}

/** Calls `visit` with the token ids of consecutive inputs and the index of the first. */
async function eachSlice(
  inputs: Inputs,
  request: CountRequest,
  vocabulary: number,
  tokenizer: Tokenizer | undefined,
  cancellation: Cancellation,
  visit: (slice: readonly ArrayLike<number>[], first: number) => void,
): Promise<void> {
  const forbidden = request.specialTokens === 'error' ? tokenizer?.specialTokens : undefined;
  for (let first = 0; first < inputs.length; ) {
    if (first > 0) await yieldToEventLoop();
    const slice = takeSlice(inputs, first, request);
    const texts = slice.filter((input) => typeof input === 'string');
    const encoded = texts.length > 0 ? await encode(tokenizer, texts, request) : [];
    cancellation.throwIfCancelled();
    let next = 0;
    const tokenized = slice.map((input, offset) => {
      const name = inputs.name(first + offset);
      if (typeof input !== 'string') {
        refuseUnknown(input, name, vocabulary);
        return input;
      }
      const tokens = encoded[next++] as number[];
      checkEncoded(tokens, name, vocabulary, forbidden);
      return tokens;
    });
    visit(tokenized, first);
    first += slice.length;
  }
}

/** Takes the next inputs, up to the size of a slice, and prepends the prefix to texts. */
function takeSlice(inputs: Inputs, first: number, { prefix }: CountRequest): readonly Input[] {
  const slice: Input[] = [];
  let size = 0;
  while (first + slice.length < inputs.length && slice.length < sliceInputs && size < sliceSize) {
    const index = first + slice.length;
    const input = inputs.take(index);
    if (prefix && typeof input !== 'string') {
      throw new TypeError(
        `${prefix.option} applies to texts only, but ${inputs.name(index)} is token ids.`,
      );
    }
    const whole = prefix ? `${prefix.text}${input}` : input;
    slice.push(whole);
    size += whole.length;
  }
  return slice;
}

function encode(tokenizer: Tokenizer | undefined, texts: readonly string[], request: CountRequest) {
  if (tokenizer) return tokenizer.encode(texts, request.specialTokens === 'text');
  throw new EmbedderError(
    'MODEL_NOT_FOUND',
    'The model folder has no tokenizer.json: pass token ids, or add the file.',
  );
}

function refuseUnknown(ids: Uint32Array, name: string, vocabulary: number): void {
  const at = ids.findIndex((id) => id >= vocabulary);
  if (at >= 0) {
    throw new RangeError(
      `${name} has the token id ${ids[at]} at index ${at}, but the model has ${vocabulary} tokens.`,
    );
  }
}

function checkEncoded(
  tokens: readonly number[],
  name: string,
  vocabulary: number,
  forbidden: ReadonlyMap<number, string> | undefined,
): void {
  const unknown = tokens.find((id) => id >= vocabulary);
  if (unknown !== undefined) {
    throw new EmbedderError(
      'MODEL_INVALID',
      `tokenizer.json produces the token id ${unknown} for ${name}, but the model has ` +
        `${vocabulary} tokens: the file belongs to another model.`,
    );
  }
  // The last token is the end token, which is not part of the text.
  const special = forbidden && tokens.slice(0, -1).find((id) => forbidden.has(id));
  if (special !== undefined) {
    const token = shorten(forbidden?.get(special) ?? '');
    throw new RangeError(
      `${name} contains the special token ${token}: ` +
        "remove it, or set specialTokens to 'parse' or 'text'.",
    );
  }
}
