// What a load takes: options, defaults, checks. Nothing behind this folder checks an argument again.

import type { Precision } from '../addon/types';
import {
  checkNames,
  checkOneOf,
  checkSignal,
  checkString,
  checkWholeNumber,
  unknownValue,
  wrongType,
} from './checks';

/**
 * Where to compute. `cuda` is the first NVIDIA card, `cuda:1` the second. `auto` is the first card, if it opens and
 * computes the precision, else the CPU. `reference` is the CPU with plain loops: slow, and what the others must equal.
 */
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}` | 'reference';

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

const loadOptions = [
  'device',
  'precision',
  'threads',
  'maxBatchTokens',
  'batchInvariant',
  'signal',
  'onProgress',
] as const;
const precisions = ['auto', 'f32', 'bf16', 'f16', 'int8'] as const;

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
  const name = checkString('folder', folder);
  if (name === '') throw new RangeError('folder is empty: name the folder that holds config.json.');
  return name;
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
  const where = checkDevice(device);
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw wrongType('onProgress', 'a function', onProgress);
  }
  if (typeof batchInvariant !== 'boolean')
    throw wrongType('batchInvariant', 'a boolean', batchInvariant);
  return {
    device: where,
    precision: checkOneOf('precision', precision, precisions),
    threads: threads === undefined ? 0 : checkWholeNumber('threads', threads, 1, 1_024),
    maxBatchTokens:
      maxBatchTokens === undefined
        ? undefined
        : checkWholeNumber('maxBatchTokens', maxBatchTokens, 1, 1_048_576),
    batchInvariant,
    signal: checkSignal(signal),
    onProgress: onProgress as LoadRequest['onProgress'],
  };
}

function checkDevice(device: unknown): string {
  const name = checkString('device', device);
  if (/^(auto|cpu|reference|cuda(:\d{1,3})?)$/.test(name)) return name;
  throw unknownValue('device', name, 'use "auto", "cpu", "cuda", "cuda:N" or "reference"');
}
