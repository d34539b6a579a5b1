// Calls into native: its errors become the package's own, and its work ends when the call is cancelled.

import { EmbedderError, type ErrorCode, errorCodes } from '../errors';
import { addon } from './binary';
import type { Pending } from './types';

/** Starts native work and settles as it does. Once `cancelled` is aborted, native drops the work. */
export async function nativeWork<T>(cancelled: AbortSignal, start: () => Pending<T>): Promise<T> {
  cancelled.throwIfAborted();
  const { ticket, promise } = nativeCall(start);
  cancelled.addEventListener('abort', () => addon.cancel(ticket), { once: true });
  const result = await promise.catch((error) => {
    throw translated(error);
  });
  // Nothing is what dropped work settles with.
  if (result === undefined) throw cancelled.reason;
  return result;
}

/** A call that native answers at once. */
function nativeCall<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw translated(error);
  }
}

function translated(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as { code?: unknown };
  if (!errorCodes.includes(code as ErrorCode)) return error;
  return new EmbedderError(code as ErrorCode, error.message, { cause: error });
}
