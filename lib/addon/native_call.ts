// Calls of the native addon. Converts native errors to EmbedderError, and cancels native work when
// the call is cancelled.

import type { Cancellation } from '../cancellation';
import { EmbedderError, type ErrorCode, errorCodes } from '../errors';
import { addon } from './binary';
import type { Pending } from './types';

/**
 * Starts native work, lets `supply` pass its input, and settles with its result. If the call is
 * cancelled or `supply` fails, native drops the work and the promise rejects with the reason or
 * the error.
 */
export async function nativeWork<T>(
  cancellation: Cancellation,
  start: () => Pending<T>,
  supply?: (ticket: number) => Promise<void>,
): Promise<T> {
  cancellation.throwIfCancelled();
  const { ticket, promise } = nativeCall(start);
  const drop = () => addon.cancel(ticket);
  cancellation.onCancel(drop);
  try {
    await supply?.(ticket);
    const result = await promise;
    if (result !== undefined) return result;
  } catch (error) {
    drop(); // does nothing if the work has settled
    throw toEmbedderError(error);
  }
  throw cancellation.reason; // dropped work resolves with undefined
}

/** Calls native synchronously. Throws native errors as EmbedderError. */
function nativeCall<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toEmbedderError(error);
  }
}

// Native errors are recognized by their code. If this file runs in a realm of its own (jest,
// node:vm), they are not instances of its `Error`.
function toEmbedderError(error: unknown): unknown {
  if (error instanceof EmbedderError) return error;
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (!errorCodes.includes(code as ErrorCode)) return error;
  return new EmbedderError(code as ErrorCode, String(message), { cause: error });
}
