// Converts the inputs of a call to one flat array of token ids: adds prompts, enforces limits,
// checks every id. Works in slices and yields to the event loop between them, so that a call with a
// million texts does not block it.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { ModelConfig } from '../addon/types';
import { EmbedderError } from '../errors';
import type { CountRequest, EmbedRequest } from '../options/embed';
import type { Input } from '../options/inputs';
import type { Tokenizer } from './tokenizer';

/** Token ids of all inputs one after another, and the count of each input. */
export interface TokenIds {
  readonly ids: Uint32Array;
  readonly lengths: Uint32Array;
}

// Characters and ids per slice: about 4,000 tokens, copied out of the tokenizer in 0.5 ms.
const sliceSize = 16_384;
const sliceInputs = 256;

/**
 * Token ids of all inputs, each of at most `maxPositions` tokens: longer inputs are truncated or
 * refused according to `request.truncate`. Throws `INPUT_TOO_LONG`; for an id outside of the
 * vocabulary, `MODEL_INVALID` if it is from the tokenizer and a `RangeError` if it is from the
 * caller; and a `RangeError` for a special token if `request.specialTokens` is `error`.
 */
export async function tokenIds(
  inputs: readonly Input[],
  request: Pick<EmbedRequest, keyof CountRequest | 'truncate'>,
  { vocabulary, maxPositions }: Pick<ModelConfig, 'vocabulary' | 'maxPositions'>,
  tokenizer: Tokenizer | undefined,
  cancelled: AbortSignal,
): Promise<TokenIds> {
  const lengths = new Uint32Array(inputs.length);
  let ids = new Uint32Array(sliceSize);
  let filled = 0;
  await eachInput(inputs, request, vocabulary, tokenizer, cancelled, (tokens, index) => {
    const length = Math.min(tokens.length, maxPositions);
    if (length < tokens.length && request.truncate === 'error') {
      throw new EmbedderError(
        'INPUT_TOO_LONG',
        `input[${index}] has ${tokens.length} tokens, but the limit is ${maxPositions}: split ` +
          `the text, or use truncate: 'end'.`,
      );
    }
    if (filled + length > ids.length) {
      const larger = new Uint32Array(Math.max(2 * ids.length, filled + length));
      larger.set(ids);
      ids = larger;
    }
    for (let i = 0; i < length - 1; i++) ids[filled + i] = tokens[i] as number;
    // A truncated text keeps its last token, because that one is pooled.
    ids[filled + length - 1] = tokens[tokens.length - 1] as number;
    filled += length;
    lengths[index] = length;
  });
  return { ids: ids.subarray(0, filled), lengths };
}

/** Count of tokens of each input, without a limit. Throws as tokenIds, except `INPUT_TOO_LONG`. */
export async function countTokens(
  inputs: readonly Input[],
  request: CountRequest,
  vocabulary: number,
  tokenizer: Tokenizer | undefined,
  cancelled: AbortSignal,
): Promise<number[]> {
  const counts: number[] = [];
  await eachInput(inputs, request, vocabulary, tokenizer, cancelled, (tokens) =>
    counts.push(tokens.length),
  );
  return counts;
}

/** Calls `visit` with the token ids of each input, in order. */
async function eachInput(
  inputs: readonly Input[],
  request: CountRequest,
  vocabulary: number,
  tokenizer: Tokenizer | undefined,
  cancelled: AbortSignal,
  visit: (tokens: ArrayLike<number>, index: number) => void,
): Promise<void> {
  const forbidden = request.specialTokens === 'error' ? tokenizer?.specialTokens : undefined;
  for (let first = 0; first < inputs.length; ) {
    const slice = sliceFrom(inputs, first);
    const texts = slice
      .filter((input) => typeof input === 'string')
      .map((text) => request.prefix + text);
    // Both branches yield to the event loop.
    const encoded =
      texts.length > 0 ? await encode(tokenizer, texts, request) : await yieldToEventLoop([]);
    cancelled.throwIfAborted();
    let next = 0;
    slice.forEach((input, offset) => {
      const index = first + offset;
      if (typeof input !== 'string') {
        refuseUnknown(input, index, vocabulary);
        visit(input, index);
        return;
      }
      const tokens = encoded[next++] as number[];
      checkEncoded(tokens, index, vocabulary, forbidden);
      visit(tokens, index);
    });
    first += slice.length;
  }
}

function sliceFrom(inputs: readonly Input[], first: number): readonly Input[] {
  let end = first;
  for (let size = 0; end < inputs.length && end - first < sliceInputs && size < sliceSize; end++) {
    size += inputs[end]?.length ?? 0;
  }
  return inputs.slice(first, end);
}

function encode(tokenizer: Tokenizer | undefined, texts: readonly string[], request: CountRequest) {
  if (tokenizer) return tokenizer.encode(texts, request.specialTokens === 'text');
  throw new EmbedderError(
    'MODEL_NOT_FOUND',
    'The model folder has no tokenizer.json: pass token ids, or add the file.',
  );
}

function refuseUnknown(ids: Uint32Array, index: number, vocabulary: number): void {
  const at = ids.findIndex((id) => id >= vocabulary);
  if (at >= 0) {
    throw new RangeError(
      `input[${index}] has the token id ${ids[at]} at index ${at}, but the model has ` +
        `${vocabulary} tokens.`,
    );
  }
}

function checkEncoded(
  tokens: readonly number[],
  index: number,
  vocabulary: number,
  forbidden: ReadonlyMap<number, string> | undefined,
): void {
  const unknown = tokens.find((id) => id >= vocabulary);
  if (unknown !== undefined) {
    throw new EmbedderError(
      'MODEL_INVALID',
      `tokenizer.json produces the token id ${unknown} for input[${index}], but the model has ` +
        `${vocabulary} tokens: the file belongs to another model.`,
    );
  }
  // The last token is the end token, which is not part of the text.
  const special = forbidden && tokens.slice(0, -1).find((id) => forbidden.has(id));
  if (special !== undefined) {
    throw new RangeError(
      `input[${index}] contains the special token ${forbidden?.get(special)}: remove it, or set ` +
        `specialTokens to 'parse' or 'text'.`,
    );
  }
}
