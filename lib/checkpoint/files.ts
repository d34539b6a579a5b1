// The files of a checkpoint folder: their names, their sizes, their JSON. What its fields mean is the callers' matter.

import { readFile, stat } from 'node:fs/promises';
import { EmbedderError } from '../errors';
import { unreadable } from './errors';

export type JsonObject = Readonly<Record<string, unknown>>;

// The largest index of a published checkpoint has less than 1 MB.
const maxBytes = 64 * 1024 * 1024;

/** A JSON file's object, or `undefined` where there is no such file. Throws `MODEL_INVALID`, `MODEL_NOT_FOUND`. */
export async function readJsonObject(file: string): Promise<JsonObject | undefined> {
  const value = await readJson(file);
  if (value === undefined || isObject(value)) return value;
  throw new EmbedderError('MODEL_INVALID', `${file} must hold a JSON object.`);
}

/** The same for a file that holds any JSON value. */
export async function readJson(file: string): Promise<unknown> {
  const size = await fileSize(file);
  if (size === undefined) return undefined;
  if (size > maxBytes) {
    throw new EmbedderError(
      'MODEL_INVALID',
      `${file} has ${size} bytes; at most ${maxBytes} are read.`,
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

/** Whether `name` names something in a folder itself, and nothing outside of it. */
export function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
}

/** Bytes of a file, or `undefined` where there is none. */
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
