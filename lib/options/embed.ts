// What a call on texts takes: options, defaults, checks. Nothing behind this folder checks an argument again.

import { checkNames, checkOneOf, checkSignal, checkWholeNumber, type Given } from './checks';
import type { Input } from './inputs';
import { prefixOf } from './prompt';

/** What to do with special tokens (`<|endoftext|>`, `<think>`, ...) that a text or its instruction spells out. */
export type SpecialTokens = 'parse' | 'text' | 'error';

export interface CountOptions {
  /** Makes the text a query: `Instruct: {instruction}\nQuery:` is put before it. */
  readonly instruction?: string;
  /** Puts one of the model's own prompts before the text, by its name in `config_sentence_transformers.json`. */
  readonly prompt?: string;
  /**
   * Default `parse`, as Hugging Face does: they become their own tokens. `text`: they are read as any other text.
   * `error`: the call is refused with a `RangeError`.
   */
  readonly specialTokens?: SpecialTokens;
  /** Cancels the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface EmbedOptions extends CountOptions {
  /** Values per vector, 32 to the model's width (the default): the vector is cut, then made a unit vector again. */
  readonly dimensions?: number;
  /**
   * What to do with an input longer than `maxTokens`. Default `error`: the call rejects with `INPUT_TOO_LONG`. `end`:
   * its end is cut off; the last token, which is the one that is pooled, stays last.
   */
  readonly truncate?: 'error' | 'end';
}

const countOptions = ['instruction', 'prompt', 'specialTokens', 'signal'] as const;
const embedOptions = [...countOptions, 'dimensions', 'truncate'] as const;

const minDimensions = 32;

export interface CountRequest {
  /** What stands before every text. */
  readonly prefix: string;
  readonly specialTokens: SpecialTokens;
  readonly signal: AbortSignal | undefined;
}

export interface EmbedRequest extends CountRequest {
  readonly dimensions: number;
  readonly truncate: 'error' | 'end';
}

export function checkCountOptions(
  options: unknown,
  inputs: readonly Input[],
  prompts: ReadonlyMap<string, string>,
): CountRequest {
  return countRequest(checkNames(options, countOptions), inputs, prompts);
}

export function checkEmbedOptions(
  options: unknown,
  inputs: readonly Input[],
  prompts: ReadonlyMap<string, string>,
  width: number,
): EmbedRequest {
  const { dimensions = width, truncate = 'error', ...given } = checkNames(options, embedOptions);
  return {
    ...countRequest(given, inputs, prompts),
    dimensions: checkWholeNumber('dimensions', dimensions, minDimensions, width),
    truncate: checkOneOf('truncate', truncate, ['error', 'end']),
  };
}

function countRequest(
  given: Given<(typeof countOptions)[number]>,
  inputs: readonly Input[],
  prompts: ReadonlyMap<string, string>,
): CountRequest {
  const { specialTokens = 'parse', signal } = given;
  return {
    prefix: prefixOf(given, inputs, prompts),
    specialTokens: checkOneOf('specialTokens', specialTokens, ['parse', 'text', 'error']),
    signal: checkSignal(signal),
  };
}
