// The public options, their defaults, and the checks of every argument. Nothing behind this file checks them again.

import { types } from 'node:util';
import type { Precision } from '../addon/addon';

/** Texts, or token ids that are taken as they are, with nothing put before or after them. */
export type Input = string | Uint32Array;

/**
 * Where to compute. `cuda` is the first NVIDIA card, `cuda:1` the second. `auto` is the first card, if it opens and
 * computes the precision, else the CPU. `reference` is the CPU with plain loops: slow, and what the others must equal.
 */
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}` | 'reference';

/** What to do with special tokens (`<|endoftext|>`, `<think>`, ...) that a text or its instruction spells out. */
export type SpecialTokens = 'parse' | 'text' | 'error';

/** Bytes of weights read so far, and all there are to read. */
export interface Progress {
  readonly loaded: number;
  readonly total: number;
}

export interface LoadOptions {
  /** Default `auto`. */
  readonly device?: Device;
  /**
   * What the weights are kept in, and the inputs of matrix products where the device multiplies that; sums are f32.
   * The CPU computes f32 and bf16, a card bf16, f16 and int8. Default `auto`: as the checkpoint stores its matrices where
   * the device computes that, else the first of those.
   */
  readonly precision?: Precision | 'auto';
  /**
   * Threads of the CPU device, 1 to 1,024. They are the process's: the first load sets the number, by default one per
   * physical core, and a later load that asks for another is refused.
   */
  readonly threads?: number;
  /**
   * Tokens that may share a batch, 1 to 1,048,576. A longer text runs alone. Default 512 on the CPU and 8,192 on a card:
   * with these a batch computes at full speed, and what waits behind it waits no longer than it must.
   */
  readonly maxBatchTokens?: number;
  /**
   * Default `false`: on a card a vector's last bits differ between batches of up to 64 tokens, which are computed in a way
   * that is faster for few, and larger ones. `true`: a text's vector always has the same bits. On the CPU it always has.
   */
  readonly batchInvariant?: boolean;
  /** Cancels loading. */
  readonly signal?: AbortSignal;
  /**
   * Called now and then while the weights are read, never where they are shared with a model that is loaded already.
   * An error that it throws ends loading.
   */
  readonly onProgress?: (progress: Progress) => void;
}

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

/** Options whose names are known and whose values are not checked yet. */
type Given<Name extends string> = Readonly<Partial<Record<Name, unknown>>>;

const loadOptions = [
  'device',
  'precision',
  'threads',
  'maxBatchTokens',
  'batchInvariant',
  'signal',
  'onProgress',
] as const;
const countOptions = ['instruction', 'prompt', 'specialTokens', 'signal'] as const;
const embedOptions = [...countOptions, 'dimensions', 'truncate'] as const;

const precisions = ['auto', 'f32', 'bf16', 'f16', 'int8'] as const;
const minDimensions = 32;

export interface LoadRequest {
  readonly device: string;
  readonly precision: Precision | 'auto';
  /** 0: as the process has them, or one per physical core. */
  readonly threads: number;
  /** Undefined: as many as the device needs for its full speed. */
  readonly maxBatchTokens: number | undefined;
  readonly batchInvariant: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

export function checkFolder(folder: unknown): string {
  if (typeof folder !== 'string') throw new TypeError(`folder must be a string, not ${kindOf(folder)}.`);
  if (folder === '') throw new RangeError('folder is empty: name the folder that holds config.json.');
  return folder;
}

export function checkLoadOptions(options: unknown): LoadRequest {
  const {
    device = 'auto',
    precision = 'auto',
    threads,
    maxBatchTokens,
    batchInvariant = false,
    signal,
    onProgress,
  } = checkNames(options, loadOptions);
  if (typeof device !== 'string') throw new TypeError(`device must be a string, not ${kindOf(device)}.`);
  if (!/^(auto|cpu|reference|cuda(:\d{1,3})?)$/.test(device)) {
    throw new RangeError(`device "${device}" is unknown: use "auto", "cpu", "cuda", "cuda:N" or "reference".`);
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new TypeError(`onProgress must be a function, not ${kindOf(onProgress)}.`);
  }
  if (typeof batchInvariant !== 'boolean') {
    throw new TypeError(`batchInvariant must be a boolean, not ${kindOf(batchInvariant)}.`);
  }
  return {
    device,
    precision: oneOf('precision', precision, precisions),
    threads: threads === undefined ? 0 : wholeNumber('threads', threads, 1, 1_024),
    maxBatchTokens:
      maxBatchTokens === undefined ? undefined : wholeNumber('maxBatchTokens', maxBatchTokens, 1, 1_048_576),
    batchInvariant,
    signal: checkSignal(signal),
    onProgress: onProgress as LoadRequest['onProgress'],
  };
}

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
    if (!types.isUint32Array(item)) {
      throw new TypeError(`${name} must be a string or a Uint32Array of token ids, not ${kindOf(item)}.`);
    }
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
    dimensions: wholeNumber('dimensions', dimensions, minDimensions, width),
    truncate: oneOf('truncate', truncate, ['error', 'end']),
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
    if (typeof value !== 'string') throw new TypeError(`${name} must be a string, not ${kindOf(value)}.`);
    if (inputs.some((input) => typeof input !== 'string')) {
      throw new TypeError(`${name} goes before a text: it cannot be put before token ids.`);
    }
  }
  if (instruction !== undefined && prompt !== undefined) {
    throw new TypeError('instruction and prompt exclude each other: a prompt is an instruction that the model names.');
  }
  return {
    prefix: prefixOf(instruction as string | undefined, prompt as string | undefined, prompts),
    specialTokens: oneOf('specialTokens', specialTokens, ['parse', 'text', 'error']),
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
  throw new RangeError(`prompt "${prompt}" is unknown: this model has ${known}. Or use instruction.`);
}

/** Refuses names that are not known, and names the nearest that is. */
function checkNames<Name extends string>(options: unknown = {}, known: readonly Name[]): Given<Name> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`options must be an object, not ${kindOf(options)}.`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name as Name)) continue;
    const nearest = known.reduce((best, other) => (distance(name, other) < distance(name, best) ? other : best));
    throw new TypeError(`Unknown option "${name}": did you mean "${nearest}"? There are ${known.join(', ')}.`);
  }
  return options as Given<Name>;
}

/** Edits (a letter put in, taken out or changed) from one word to another, whatever their case. */
function distance(from: string, to: string): number {
  const a = from.toLowerCase();
  const b = to.toLowerCase();
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const change = (row[j] as number) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(change, (row[j + 1] as number) + 1, (next[j] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

function oneOf<Value extends string>(name: string, value: unknown, values: readonly Value[]): Value {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string, not ${kindOf(value)}.`);
  if (values.includes(value as Value)) return value as Value;
  throw new RangeError(`${name} "${value}" is unknown: use ${values.map((known) => `"${known}"`).join(', ')}.`);
}

function wholeNumber(name: string, value: unknown, low: number, high: number): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${kindOf(value)}.`);
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new RangeError(`${name} is ${value}: it must be a whole number from ${low} to ${high}.`);
}

function checkSignal(signal: unknown): AbortSignal | undefined {
  // Not instanceof: test runners and Electron have more than one AbortSignal.
  const given = signal as Partial<AbortSignal> | null | undefined;
  if (given === undefined) return undefined;
  if (typeof given?.aborted === 'boolean' && typeof given.addEventListener === 'function') return given as AbortSignal;
  throw new TypeError(`signal must be an AbortSignal, not ${kindOf(signal)}.`);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return typeof value === 'object' ? (value.constructor?.name ?? 'an object') : typeof value;
}
