// Converts the inputs of a call to token ids: adds prompts, enforces limits, checks every id. Works
// in slices and yields to the event loop between them, so that a call with a million texts does not
// block it.

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { RefusedToken, Tokenized, TokenizeOptions } from '../addon/types';
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

/** The model's limits. */
export interface Limits {
  /** Rows of the embedding table. */
  readonly vocabulary: number;
  /** Tokens of an input. */
  readonly maxTokens: number;
}

// Characters and ids per slice: about 4,000 tokens, converted in 0.5 ms.
const sliceSize = 16_384;
const sliceInputs = 256;

const unlimited = 2 ** 32 - 1;

/**
 * Calls `add` with the token ids of all inputs, slice by slice, each input of at most
 * `limits.maxTokens` tokens: longer ones are truncated or refused according to `request.truncate`.
 * Resolves when all are added. Rejects with the reason if the call is cancelled; with
 * `INPUT_TOO_LONG`; for an id outside of the vocabulary, with `MODEL_INVALID` if it is from the
 * tokenizer and a `RangeError` if it is from the caller; with a `RangeError` for a special token if
 * `request.specialTokens` is `error`; and as Inputs.take.
 */
export function addTokenIds(
  inputs: Inputs,
  request: Pick<EmbedRequest, keyof CountRequest | 'truncate'>,
  { vocabulary, maxTokens }: Limits,
  tokenizer: Tokenizer | undefined,
  cancellation: Cancellation,
  add: (slice: TokenIds) => void,
): Promise<void> {
  const truncate = request.truncate === 'end';
  const options = { maxTokens, truncate, keepIds: true };
  return eachSlice(inputs, request, options, vocabulary, tokenizer, cancellation, (slice) => {
    const lengths = Uint32Array.from(slice, ({ name, length, isText }) => {
      if (length <= maxTokens) return length;
      if (truncate && !isText) return maxTokens;
      // A long text is not converted to its end.
      throw new EmbedderError(
        'INPUT_TOO_LONG',
        `${name} has ${isText ? `more than ${maxTokens}` : length} tokens, but the limit is ` +
          `${maxTokens}: split the text, or use truncate: 'end'.`,
      );
    });
    const ids = new Uint32Array(lengths.reduce((sum, length) => sum + length, 0));
    let end = 0;
    slice.forEach(({ ids: own }, index) => {
      const length = lengths[index] as number;
      ids.set(own.subarray(0, length), end);
      end += length;
      // A truncated input keeps its last token, because that one is pooled.
      ids[end - 1] = own[own.length - 1] as number;
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
  const options = { maxTokens: unlimited, truncate: false, keepIds: false };
  const counts: number[] = [];
  await eachSlice(inputs, request, options, vocabulary, tokenizer, cancellation, (slice) => {
    for (const { length } of slice) counts.push(length);
  });
  return counts;
}

/** An input after its conversion. */
interface Converted {
  /** What messages call it. */
  readonly name: string;
  readonly isText: boolean;
  readonly length: number;
  /** Empty for texts if ids are not kept. */
  readonly ids: Uint32Array;
}

/** Calls `visit` with consecutive inputs, converted and checked. */
async function eachSlice(
  inputs: Inputs,
  request: CountRequest,
  limits: Omit<TokenizeOptions, 'specialTokens'>,
  vocabulary: number,
  tokenizer: Tokenizer | undefined,
  cancellation: Cancellation,
  visit: (slice: readonly Converted[]) => void,
): Promise<void> {
  const options = { ...limits, specialTokens: request.specialTokens };
  const prefix = request.prefix?.text ?? '';
  for (let first = 0; first < inputs.length; ) {
    if (first > 0) await yieldToEventLoop();
    const slice = takeSlice(inputs, first, request);
    const texts = slice.filter((input) => typeof input === 'string');
    const converted =
      texts.length > 0
        ? await present(tokenizer).encode(prefix, texts, options, cancellation)
        : undefined;
    cancellation.throwIfCancelled();
    let nextText = 0;
    let end = 0;
    visit(
      slice.map((input, offset) => {
        const name = inputs.name(first + offset);
        if (typeof input !== 'string') {
          refuseUnknown(input, name, vocabulary);
          return { name, isText: false, length: input.length, ids: input };
        }
        const { ids, lengths, refused } = converted as Tokenized;
        const length = lengths[nextText++];
        if (length === undefined) throw refusal(refused as RefusedToken, name, vocabulary);
        end += length;
        return { name, isText: true, length, ids: ids.subarray(end - length, end) };
      }),
    );
    first += slice.length;
  }
}

/** Takes the next inputs, up to the size of a slice. */
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
    slice.push(input);
    size += input.length + (prefix?.text.length ?? 0);
  }
  return slice;
}

function present(tokenizer: Tokenizer | undefined): Tokenizer {
  if (tokenizer) return tokenizer;
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

function refusal({ id, content }: RefusedToken, name: string, vocabulary: number): Error {
  const token = shorten(content);
  if (id >= vocabulary) {
    return new EmbedderError(
      'MODEL_INVALID',
      `${name} contains ${token}, which has the token id ${id} in tokenizer.json, but the model ` +
        `has ${vocabulary} tokens: the file belongs to another model.`,
    );
  }
  return new RangeError(
    `${name} contains the special token ${token}: ` +
      "remove it, or set specialTokens to 'parse' or 'text'.",
  );
}
