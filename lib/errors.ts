// The package's error class and its codes. native/error.h has the same list of codes.

import type { Vector } from './addon/types';

export const errorCodes = [
  'MODEL_NOT_FOUND',
  'MODEL_INVALID',
  'MODEL_UNSUPPORTED',
  'INPUT_TOO_LONG',
  'DEVICE_UNAVAILABLE',
  'OUT_OF_MEMORY',
  'DEVICE_FAILED',
  'NON_FINITE',
  'PRECISION_UNSUPPORTED',
  'CLOSED',
] as const;

/**
 * Why an operation failed. README.md says what to do about each.
 *
 * - `MODEL_NOT_FOUND`: the model folder, or a file in it, does not exist or cannot be read.
 * - `MODEL_INVALID`: files of the checkpoint are damaged, contradict each other, or were changed
 *   during the load.
 * - `MODEL_UNSUPPORTED`: the checkpoint is valid, but its architecture, pooling or data type is not
 *   supported.
 * - `INPUT_TOO_LONG`: an input has more than `maxTokens` tokens.
 * - `DEVICE_UNAVAILABLE`: the device does not exist or cannot be opened, or the system refuses the
 *   threads.
 * - `OUT_OF_MEMORY`: the device or the host does not have enough memory.
 * - `DEVICE_FAILED`: the device failed and stays failed: load the model again.
 * - `NON_FINITE`: the vectors of some inputs contain NaN or infinity.
 * - `PRECISION_UNSUPPORTED`: the device does not compute in the requested precision.
 * - `CLOSED`: the embedder was used after `close()`.
 */
export type ErrorCode = (typeof errorCodes)[number];

/**
 * The error of every failed operation, except invalid arguments (`TypeError`, `RangeError`) and
 * cancellation (the reason of the `AbortSignal`).
 */
export class EmbedderError extends Error {
  override readonly name = 'EmbedderError';
  /** Why the operation failed. */
  readonly code: ErrorCode;
  /** With `NON_FINITE` only: indices, ascending, of the inputs that have no finite vector. */
  readonly indices?: readonly number[];
  /** With `NON_FINITE` only: one entry per input, `null` for the inputs in `indices`. */
  readonly vectors?: readonly (Vector | null)[];

  constructor(
    code: ErrorCode,
    message: string,
    details: {
      cause?: unknown;
      indices?: readonly number[];
      vectors?: readonly (Vector | null)[];
    } = {},
  ) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    if (details.indices) this.indices = details.indices;
    if (details.vectors) this.vectors = details.vectors;
  }

  /**
   * A plain object, for logs and messages, without `cause`, `stack` and `vectors`. A structured
   * clone of the error itself, as `postMessage` makes it, has no `code`.
   */
  toJSON(): Pick<EmbedderError, 'name' | 'code' | 'message' | 'indices'> {
    const { name, code, message, indices } = this;
    return { name, code, message, ...(indices && { indices }) };
  }
}
