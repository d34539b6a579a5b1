// Access to the files of a checkpoint folder: names, sizes, JSON. Callers interpret the content.

import { readFile, stat } from 'node:fs/promises';
import { EmbedderError } from '../errors';
import { unreadable } from './errors';

export type JsonObject = Readonly<Record<string, unknown>>;

// The largest index file of a published checkpoint is smaller than 1 MB.
const maxBytes = 64 * 1024 * 1024;

/**
 * The object in a JSON file, or `undefined` if the file does not exist. Throws `MODEL_INVALID`, or
 * `MODEL_NOT_FOUND` if the file cannot be read.
 */
export async function readJsonObject(file: string): Promise<JsonObject | undefined> {
  const value = await readJson(file);
  if (value === undefined || isObject(value)) return value;
  throw new EmbedderError('MODEL_INVALID', `${file} must contain a JSON object.`);
}

/** As readJsonObject, for a file that contains any JSON value. */
export async function readJson(file: string): Promise<unknown> {
  const size = await fileSize(file);
  if (size === undefined) return undefined;
  if (size > maxBytes) {
    throw new EmbedderError(
      'MODEL_INVALID',
      `${file} has ${size} bytes; at most ${maxBytes} are accepted.`,
    );
  }
  const text = await readFile(file, 'utf8').catch((error) => {
    throw unreadable(file, error);
  });
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new EmbedderError('MODEL_INVALID', `${file} is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Whether `name` is a bare file name, which cannot refer to anything outside of its folder. */
export function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
}

/**
 * Size of a file in bytes, or `undefined` if it does not exist. Throws `MODEL_NOT_FOUND` if it
 * cannot be read, `MODEL_INVALID` if it is not a file.
 */
export async function fileSize(file: string): Promise<number | undefined> {
  try {
    const found = await stat(file);
    if (found.isFile()) return found.size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unreadable(file, error);
  }
  throw new EmbedderError('MODEL_INVALID', `${file} is not a file.`);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
