// From a call's inputs to one flat array of token ids: prompts put in front, limits kept, every id checked. Works in
// slices and gives the event loop its turn between them, so that a call with a million texts holds up nobody.

import { setImmediate as turn } from 'node:timers/promises';
import type { ModelConfig } from '../addon/types';
import { EmbedderError } from '../errors';
import type { CountRequest, EmbedRequest } from '../options/embed';
import type { Input } from '../options/inputs';
import type { Tokenizer } from './tokenizer';

/** Token ids of all inputs one after another, and how many each input has. */
export interface TokenIds {
  readonly ids: Uint32Array;
  readonly lengths: Uint32Array;
}

// A slice of this many characters or ids has about 4,000 tokens, which are copied out of the tokenizer in 0.5 ms.
const sliceSize = 16_384;
const sliceInputs = 256;

/**
 * Token ids of all inputs, cut or refused as `request.truncate` says. Throws `INPUT_TOO_LONG`, `MODEL_INVALID` for an
 * id past the table that the tokenizer gave, and a `RangeError` for one that the caller gave.
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
        `input[${index}] has ${tokens.length} tokens, the model takes ${maxPositions}: split the text, or ` +
          `cut it with truncate: 'end'.`,
      );
    }
    if (filled + length > ids.length) {
      const larger = new Uint32Array(Math.max(2 * ids.length, filled + length));
      larger.set(ids);
      ids = larger;
    }
    for (let i = 0; i < length - 1; i++) ids[filled + i] = tokens[i] as number;
    // The last token is the one that is pooled: it stays the last of a text that is cut.
    ids[filled + length - 1] = tokens[tokens.length - 1] as number;
    filled += length;
    lengths[index] = length;
  });
  return { ids: ids.subarray(0, filled), lengths };
}

/** How many tokens each input has, however many the model takes. */
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

async function eachInput(
  inputs: readonly Input[],
  request: CountRequest,
  vocabulary: number,
  tokenizer: Tokenizer | undefined,
  cancelled: AbortSignal,
  take: (tokens: ArrayLike<number>, index: number) => void,
): Promise<void> {
  const forbidden = request.specialTokens === 'error' ? tokenizer?.specialTokens : undefined;
  for (let first = 0; first < inputs.length; ) {
    const slice = sliceFrom(inputs, first);
    const texts = slice
      .filter((input) => typeof input === 'string')
      .map((text) => request.prefix + text);
    // Either way the event loop has its turn here.
    const encoded = texts.length > 0 ? await encode(tokenizer, texts, request) : await turn([]);
    cancelled.throwIfAborted();
    let next = 0;
    slice.forEach((input, offset) => {
      const index = first + offset;
      if (typeof input !== 'string') {
        refuseUnknown(input, index, vocabulary);
        take(input, index);
        return;
      }
      const tokens = encoded[next++] as number[];
      checkEncoded(tokens, index, vocabulary, forbidden);
      take(tokens, index);
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
    'The model folder has no tokenizer.json: give token ids, or add the file.',
  );
}

function refuseUnknown(ids: Uint32Array, index: number, vocabulary: number): void {
  const at = ids.findIndex((id) => id >= vocabulary);
  if (at >= 0) {
    throw new RangeError(
      `input[${index}] holds the token id ${ids[at]} at ${at}: the model has ${vocabulary} tokens.`,
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
      `tokenizer.json makes the token id ${unknown} of input[${index}], but the model has ${vocabulary} tokens: ` +
        'it belongs to another model.',
    );
  }
  // The end token that closes every text is not the text's own.
  const special = forbidden && tokens.slice(0, -1).find((id) => forbidden.has(id));
  if (special !== undefined) {
    throw new RangeError(
      `input[${index}] spells out the special token ${forbidden?.get(special)}: take it out, or say with specialTokens ` +
        `whether to 'parse' it or to read it as 'text'.`,
    );
  }
}
