// Errors about a checkpoint's files.

import { EmbedderError } from '../errors';

/** For a file whose content is malformed or contradictory. */
export function invalid(file: string, what: string): EmbedderError {
  return new EmbedderError('MODEL_INVALID', `${file}: ${what}.`);
}

/** For a valid file that requires something that is not supported. */
export function unsupported(file: string, what: string): EmbedderError {
  return new EmbedderError('MODEL_UNSUPPORTED', `${file}: ${what}.`);
}

/** For a file that exists but cannot be read. */
export function unreadable(file: string, error: unknown): EmbedderError {
  return new EmbedderError(
    'MODEL_NOT_FOUND',
    `${file} cannot be read: ${(error as Error).message}`,
    { cause: error },
  );
}
