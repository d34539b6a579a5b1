// What a call on texts takes: inputs, options, defaults, checks. Nothing behind this folder checks an argument again.

import { types } from 'node:util';
import {
  checkNames,
  checkOneOf,
  checkSignal,
  checkString,
  checkWholeNumber,
  type Given,
  unknownValue,
  wrongType,
} from './checks';

/** Texts, or token ids that are taken as they are, with nothing put before or after them. */
export type Input = string | Uint32Array;

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

/** Checks the inputs and copies them: what the caller does to the array afterwards changes nothing. */
export function checkInputs(input: unknown): readonly Input[] {
  const inputs = Array.isArray(input) ? input : [input];
  return Array.from(inputs, (item: unknown, index) => {
    if (typeof item === 'string') return item;
    const name = Array.isArray(input) ? `input[${index}]` : 'input';
    if (!types.isUint32Array(item)) throw wrongType(name, 'a string or a Uint32Array of token ids', item);
    if (item.length === 0) throw new RangeError(`${name} holds no token ids: a vector needs at least one.`);
    return new Uint32Array(item);
  });
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
  const { instruction, prompt, specialTokens = 'parse', signal } = given;
  for (const [name, value] of Object.entries({ instruction, prompt })) {
    if (value === undefined) continue;
    checkString(name, value);
    if (inputs.some((input) => typeof input !== 'string')) {
      throw new TypeError(`${name} goes before a text: it cannot be put before token ids.`);
    }
  }
  if (instruction !== undefined && prompt !== undefined) {
    throw new TypeError('instruction and prompt exclude each other: a prompt is an instruction that the model names.');
  }
  return {
    prefix: prefixOf(instruction as string | undefined, prompt as string | undefined, prompts),
    specialTokens: checkOneOf('specialTokens', specialTokens, ['parse', 'text', 'error']),
    signal: checkSignal(signal),
  };
}

function prefixOf(
  instruction: string | undefined,
  prompt: string | undefined,
  prompts: ReadonlyMap<string, string>,
): string {
  // No space after the colon: https://huggingface.co/Qwen/Qwen3-Embedding-0.6B (get_detailed_instruct).
  if (instruction !== undefined) return `Instruct: ${instruction}\nQuery:`;
  if (prompt === undefined) return '';
  const text = prompts.get(prompt);
  if (text !== undefined) return text;
  const known = [...prompts.keys()].map((name) => `"${name}"`).join(', ') || 'none';
  throw unknownValue('prompt', prompt, `this model has ${known}. Or use instruction`);
}
