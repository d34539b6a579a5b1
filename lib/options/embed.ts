// Options of embed and countTokens: types, defaults, checks. No other file of lib/ repeats the
// checks; native/addon checks again, against bugs.

import type { SpecialTokens } from '../addon/types';
import type { AbortSignalLike } from '../cancellation';
import { checkInteger, checkNames, checkOneOf, checkSignal, type Given } from './checks';
import { type Prefix, prefixOf } from './prompt';

/** Options of `Embedder.countTokens`. */
export interface CountOptions {
  /**
   * Turns the texts into queries, by prepending `Instruct: {instruction}\nQuery:`. Write one
   * sentence, in English, that states what is searched for. Excludes `prompt`, and token ids as
   * input.
   */
  readonly instruction?: string;
  /**
   * Prepends one of the model's prompts, by its name in `config_sentence_transformers.json`.
   * Excludes `instruction`, and token ids as input.
   */
  readonly prompt?: string;
  /**
   * How to treat special tokens (`<|endoftext|>`, `<think>`, ...) that occur in a text or its
   * prompt: added tokens of `tokenizer.json` that are marked as special or written in angle
   * brackets.
   *
   * - `parse`: each becomes its own token, as with Hugging Face.
   * - `text`: they are read as ordinary text.
   * - `error`: the call rejects with a `RangeError`. What `truncate` removes is not looked at.
   *
   * @default 'parse'
   */
  readonly specialTokens?: SpecialTokens;
  /** Cancels the call, which rejects at once with the signal's reason. */
  readonly signal?: AbortSignalLike;
}

/** Options of `Embedder.embed`. */
export interface EmbedOptions extends CountOptions {
  /**
   * Values per vector, an integer from 32 to the model's hidden size (`Embedder.dimensions`). A
   * shorter vector is the start of the full one, normalized to L2 norm 1 again.
   *
   * @default the model's hidden size
   */
  readonly dimensions?: number;
  /**
   * What to do with an input of more than `Embedder.maxTokens` tokens.
   *
   * - `error`: the call rejects with `INPUT_TOO_LONG`.
   * - `end`: its end is removed, except for the last token, whose hidden state is the vector.
   *
   * @default 'error'
   */
  readonly truncate?: 'error' | 'end';
}

const countOptions = ['instruction', 'prompt', 'specialTokens', 'signal'] as const;
const embedOptions = [...countOptions, 'dimensions', 'truncate'] as const;

const minDimensions = 32;

export interface CountRequest {
  readonly prefix: Prefix | undefined;
  readonly specialTokens: SpecialTokens;
  readonly signal: AbortSignalLike | undefined;
}

export interface EmbedRequest extends CountRequest {
  readonly dimensions: number;
  readonly truncate: 'error' | 'end';
}

export function checkCountOptions(
  options: unknown,
  prompts: ReadonlyMap<string, string>,
): CountRequest {
  return countRequest(checkNames(options, countOptions), prompts);
}

export function checkEmbedOptions(
  options: unknown,
  prompts: ReadonlyMap<string, string>,
  width: number,
): EmbedRequest {
  const { dimensions = width, truncate = 'error', ...given } = checkNames(options, embedOptions);
  return {
    ...countRequest(given, prompts),
    dimensions: checkInteger('dimensions', dimensions, minDimensions, width),
    truncate: checkOneOf('truncate', truncate, ['error', 'end']),
  };
}

function countRequest(
  given: Given<(typeof countOptions)[number]>,
  prompts: ReadonlyMap<string, string>,
): CountRequest {
  const { specialTokens = 'parse', signal } = given;
  return {
    prefix: prefixOf(given, prompts),
    specialTokens: checkOneOf('specialTokens', specialTokens, ['parse', 'text', 'error']),
    signal: checkSignal(signal),
  };
}
