// The reference outputs in test/data: where they are, how their inputs are made, and how a vector is held against them.

import { readFileSync } from 'node:fs';
import path from 'node:path';

const data = path.join(__dirname, '..', 'data');

export const smallModel = path.join(__dirname, '..', '..', 'models', 'qwen3-embedding-small');

export interface RandomModelCase {
  readonly length: number;
  readonly lcg_seed: number;
  readonly lcg_low: number;
  readonly ids?: readonly number[];
  readonly embedding: readonly number[];
}

export interface RandomModel {
  readonly folder: string;
  readonly tokens: number;
  readonly cases: readonly RandomModelCase[];
}

export const randomModelNames = ['gqa2-bf16', 'wide-heads-f16', 'mha-sharded-f32', 'massive-bf16'] as const;

export function randomModel(name: (typeof randomModelNames)[number]): RandomModel {
  const folder = path.join(data, 'random-models', name);
  const { vocab_size: tokens } = readJson(path.join(folder, 'config.json')) as { vocab_size: number };
  const { cases } = readJson(`${folder}.json`) as { cases: RandomModelCase[] };
  return { folder, tokens, cases };
}

export function idsOf(model: RandomModel, { length, lcg_seed, lcg_low }: RandomModelCase): Uint32Array {
  let state = lcg_seed;
  return Uint32Array.from({ length }, () => {
    state = nextState(state);
    return lcg_low + ((state >>> 8) % (model.tokens - lcg_low));
  });
}

export interface TextCase {
  readonly name: string;
  readonly text?: string;
  /** In place of `text`: `longText(words)`. */
  readonly words?: number;
  readonly instruction?: string;
  readonly tokens: number;
  readonly ids?: readonly number[];
  readonly embedding: readonly number[];
}

export interface TextVectors {
  readonly cases: readonly TextCase[];
  readonly truncated: { readonly text: string; readonly dimensions: Readonly<Record<string, readonly number[]>> };
}

export const textVectors = () => readJson(path.join(data, 'small-model', 'vectors.json')) as TextVectors;

export interface Retrieval {
  readonly instruction: string;
  readonly documents: readonly { readonly id: string; readonly text: string }[];
  readonly queries: readonly { readonly document: string; readonly text: string }[];
  /** By `instruction-256`, `bare-32`, ... */
  readonly figures: Readonly<Record<string, Readonly<Record<'ndcg@10' | 'mrr' | 'accuracy@1', number>>>>;
}

export const retrieval = () => readJson(path.join(data, 'small-model', 'retrieval.json')) as Retrieval;

export interface TokenCase {
  readonly name: string;
  readonly text: string;
  readonly instruction?: string;
  readonly max_length?: number;
  readonly ids: readonly number[];
}

export interface TokenGoldens {
  readonly cases: readonly TokenCase[];
  readonly long: {
    readonly words: number;
    readonly length: number;
    readonly cut_length: number;
    readonly cut_last: readonly number[];
    readonly sum: number;
    readonly cut_sum: number;
  };
}

export const tokenGoldens = () => readJson(path.join(data, 'tokenizer', 'qwen3-embedding-0.6b.json')) as TokenGoldens;

export function longText(words: number): string {
  const vocabulary =
    'the program reads a file and writes every line that matches to standard output or an error when nothing was found in archive index'.split(
      ' ',
    );
  let state = 12345;
  const text = Array.from({ length: words }, () => {
    state = nextState(state);
    const word = vocabulary[(state >>> 8) % vocabulary.length];
    return (state >>> 20) % 11 === 0 ? `${word}.` : word;
  });
  return text.join(' ');
}

/** How far two vectors are apart: 1 - cos, in double, and the largest difference of a value. */
export function apart(vector: ArrayLike<number>, golden: readonly number[]): { cosine: number; largest: number } {
  let [dot, own, other, largest] = [0, 0, 0, 0];
  golden.forEach((value, i) => {
    const got = vector[i] ?? Number.NaN;
    dot += got * value;
    own += got * got;
    other += value * value;
    largest = Math.max(largest, Math.abs(got - value));
  });
  // NaN must not pass for a small number.
  return { cosine: 1 - dot / Math.sqrt(own * other), largest: Number.isFinite(dot) ? largest : Number.NaN };
}

function nextState(state: number): number {
  return (Math.imul(state, 1664525) + 1013904223) >>> 0;
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}
