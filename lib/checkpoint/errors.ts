// What is wrong with a checkpoint, in the words that all who read one use.

import { EmbedderError } from '../errors';

/** For a file whose content cannot be right. */
export function invalid(file: string, what: string): EmbedderError {
  return new EmbedderError('MODEL_INVALID', `${file}: ${what}.`);
}

/** For a file that is sound and asks for what is not computed. */
export function unsupported(file: string, what: string): EmbedderError {
  return new EmbedderError('MODEL_UNSUPPORTED', `${file}: ${what}.`);
}

/** For a file that is there and cannot be read. */
export function unreadable(file: string, error: unknown): EmbedderError {
  return new EmbedderError(
    'MODEL_NOT_FOUND',
    `${file} cannot be read: ${(error as Error).message}`,
    { cause: error },
  );
}

/** A value of a JSON file, as messages show it. */
export function show(value: unknown): string {
  return value === undefined ? 'not there' : JSON.stringify(value).slice(0, 60);
}
