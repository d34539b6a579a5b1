// Calls of the native addon. Converts native errors to EmbedderError, and cancels native work when
// the call is cancelled.

import type { Cancellation } from '../cancellation';
import { EmbedderError, type ErrorCode, errorCodes } from '../errors';
import { addon } from './binary';
import type { Pending } from './types';

/**
 * Starts native work, lets `prepare` complete its input, and settles with its result. If the call
 * is cancelled, native drops the work and the promise rejects with the reason; if `prepare` fails,
 * it rejects with that error.
 */
export async function nativeWork<T>(
  cancellation: Cancellation,
  start: () => Pending<T>,
  prepare?: (ticket: number) => Promise<void>,
): Promise<T> {
  cancellation.throwIfCancelled();
  const { ticket, promise } = nativeCall(start);
  cancellation.onCancel(() => addon.cancel(ticket));
  try {
    await prepare?.(ticket);
  } catch (error) {
    addon.cancel(ticket);
    throw error;
  }
  const result = await promise.catch((error) => {
    throw toEmbedderError(error);
  });
  // Dropped work resolves with undefined.
  if (result === undefined) throw cancellation.reason;
  return result;
}

/** Calls native synchronously. Throws native errors as EmbedderError. */
export function nativeCall<T>(call: () => T): T {
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
