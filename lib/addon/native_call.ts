// Calls of the native addon. Converts native errors to EmbedderError, and cancels native work when
// the call is cancelled.

import { EmbedderError, type ErrorCode, errorCodes } from '../errors';
import { addon } from './binary';
import type { Pending } from './types';

/**
 * Starts native work and settles with its result. When `cancelled` is aborted, native drops the
 * work and the promise rejects with the reason.
 */
export async function nativeWork<T>(cancelled: AbortSignal, start: () => Pending<T>): Promise<T> {
  cancelled.throwIfAborted();
  const { ticket, promise } = nativeCall(start);
  cancelled.addEventListener('abort', () => addon.cancel(ticket), { once: true });
  const result = await promise.catch((error) => {
    throw toEmbedderError(error);
  });
  // Dropped work resolves with undefined.
  if (result === undefined) throw cancelled.reason;
  return result;
}

/** Calls native synchronously. Throws native errors as EmbedderError. */
function nativeCall<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toEmbedderError(error);
  }
}

function toEmbedderError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as { code?: unknown };
  if (!errorCodes.includes(code as ErrorCode)) return error;
  return new EmbedderError(code as ErrorCode, error.message, { cause: error });
}
