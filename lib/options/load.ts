// Options of Embedder.load: types, defaults, checks. No other file of lib/ repeats the checks;
// native/addon checks again, against bugs.

import type { Precision } from '../addon/types';
import type { AbortSignalLike } from '../cancellation';
import {
  checkInteger,
  checkNames,
  checkOneOf,
  checkSignal,
  checkString,
  unknownValue,
  wrongType,
} from './checks';

/**
 * Where to compute.
 *
 * - `auto`: the first NVIDIA GPU if it can be opened and computes the precision, else the CPU.
 * - `cpu`: the CPU.
 * - `cuda`, `cuda:N`: an NVIDIA GPU; `cuda` and `cuda:0` are the first.
 * - `reference`: the CPU with plain loops in f32. Slow; the reference that other devices are tested
 *   against.
 */
export type Device = 'auto' | 'cpu' | 'cuda' | `cuda:${number}` | 'reference';

/** Progress of loading the weights. */
export interface Progress {
  /** Bytes read so far. */
  readonly loaded: number;
  /** Bytes to read in total. */
  readonly total: number;
}

/** Options of `Embedder.load`. */
export interface LoadOptions {
  /**
   * Where to compute.
   *
   * @default 'auto'
   */
  readonly device?: Device;
  /**
   * Storage type of the weights, and of the inputs of matrix products where the device multiplies
   * that type. Sums are computed in f32 (products of int8: in 32-bit integers).
   *
   * The CPU supports `f32` and `bf16`, a GPU `bf16`, `f16` and `int8`, `reference` only `f32`.
   * `auto` is the type that the checkpoint is stored in if the device supports it, else the first
   * type in the device's list.
   *
   * @default 'auto'
   */
  readonly precision?: Precision | 'auto';
  /**
   * At most this many CPU threads load the model and compute a call, an integer from 1 to 1,024.
   * All embedders of a process share one pool; those that share weights may have different numbers.
   *
   * @default one per physical core
   */
  readonly threads?: number;
  /**
   * Most tokens that are computed in one batch, an integer from 1 to 1,048,576. A longer text runs
   * alone. The default is the smallest batch that reaches the device's full speed: larger batches
   * only make the texts queued after them wait longer.
   *
   * @default 512 on the CPU, 8192 on a GPU
   */
  readonly maxBatchTokens?: number;
  /**
   * Whether the vector of a text has the same bits in every batch on a GPU too. With `false`, a GPU
   * computes batches of up to 64 tokens by a faster method whose results differ in the last bits.
   * On the CPU the bits are always the same.
   *
   * @default false
   */
  readonly batchInvariant?: boolean;
  /** Cancels loading, which rejects at once with the signal's reason. */
  readonly signal?: AbortSignalLike;
  /**
   * Called repeatedly while the weights are read. Not called if the weights are shared with a model
   * that is already loaded. If it throws, loading rejects with that error.
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
  /** 0: one per physical core. */
  readonly threads: number;
  /** Undefined: as many as the device needs to reach its full speed. */
  readonly maxBatchTokens: number | undefined;
  readonly batchInvariant: boolean;
  readonly signal: AbortSignalLike | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

export function checkFolder(folder: unknown): string {
  const name = checkString('folder', folder);
  if (name === '')
    throw new RangeError('folder is empty: pass the path of the folder that contains config.json.');
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
    threads: threads === undefined ? 0 : checkInteger('threads', threads, 1, 1_024),
    maxBatchTokens:
      maxBatchTokens === undefined
        ? undefined
        : checkInteger('maxBatchTokens', maxBatchTokens, 1, 1_048_576),
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
