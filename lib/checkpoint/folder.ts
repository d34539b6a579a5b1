// Access to the files of a checkpoint's folder: sizes, versions, JSON. Callers interpret the
// content.

import { readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { EmbedderError } from '../errors';
import { shorten } from '../show';
import { invalid, unreadable } from './errors';

export type JsonObject = Readonly<Record<string, unknown>>;

// The largest index file of a published checkpoint is smaller than 1 MB.
const maxBytes = 64 * 1024 * 1024;

export interface FileState {
  readonly size: number;
  /** Device, inode, size and times. */
  readonly version: string;
}

/**
 * A checkpoint's folder. Remembers the state of each file when it was first looked at, so that a
 * load can tell whether all that it read belongs together.
 */
export class Folder {
  /** Absolute, symbolic links resolved. */
  readonly path: string;
  readonly #states = new Map<string, FileState | undefined>();

  private constructor(absolute: string) {
    this.path = absolute;
  }

  /**
   * Resolves symbolic links once, so that a link that changes during a load does not mix two
   * folders. Throws `MODEL_NOT_FOUND` if there is no such folder.
   */
  static async open(folder: string): Promise<Folder> {
    const absolute = path.resolve(folder);
    try {
      const real = await realpath(absolute);
      if ((await stat(real)).isDirectory()) return new Folder(real);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new EmbedderError(
        'MODEL_NOT_FOUND',
        `There is no model folder ${shorten(absolute, 1_000)} (${code}).`,
        { cause: error },
      );
    }
    throw new EmbedderError(
      'MODEL_NOT_FOUND',
      `${absolute} is a file: pass the path of the checkpoint's folder.`,
    );
  }

  /** The absolute path of a file. */
  file(...names: readonly string[]): string {
    return path.join(this.path, ...names);
  }

  /**
   * The state of a file, or `undefined` if it does not exist. Throws `MODEL_NOT_FOUND` if it cannot
   * be read, `MODEL_INVALID` if it is not a file.
   */
  async stateOf(file: string): Promise<FileState | undefined> {
    const state = await readState(file);
    if (!this.#states.has(file)) this.#states.set(file, state);
    return state;
  }

  /**
   * The object in a JSON file, or `undefined` if the file does not exist. Throws `MODEL_INVALID`,
   * or `MODEL_NOT_FOUND` if the file cannot be read.
   */
  async readJsonObject(file: string): Promise<JsonObject | undefined> {
    const value = await this.readJson(file);
    if (value === undefined || isObject(value)) return value;
    throw new EmbedderError('MODEL_INVALID', `${file} must contain a JSON object.`);
  }

  /** As readJsonObject, for a file that contains any JSON value. */
  async readJson(file: string): Promise<unknown> {
    const state = await this.stateOf(file);
    if (state === undefined) return undefined;
    if (state.size > maxBytes) {
      throw new EmbedderError(
        'MODEL_INVALID',
        `${file} has ${state.size} bytes; at most ${maxBytes} are accepted.`,
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

  /**
   * Throws `MODEL_INVALID` if a file has been written, replaced, created or deleted since it was
   * first looked at. To be called when all of them have been read.
   */
  async refuseChanges(): Promise<void> {
    for (const [file, state] of this.#states) {
      const now = await readState(file);
      if (now?.version !== state?.version)
        throw invalid(file, 'it was changed while the model was being loaded; load it again');
    }
  }
}

async function readState(file: string): Promise<FileState | undefined> {
  try {
    const found = await stat(file, { bigint: true });
    if (found.isFile()) {
      const { dev, ino, size, mtimeNs, ctimeNs } = found;
      return { size: Number(size), version: [dev, ino, size, mtimeNs, ctimeNs].join(':') };
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unreadable(file, error);
  }
  throw new EmbedderError('MODEL_INVALID', `${file} is not a file.`);
}

/** Whether `name` is a bare file name, which cannot refer to anything outside of its folder. */
export function isPlainName(name: string): boolean {
  const fits = name.length > 0 && name.length <= 255; // the limit of file systems
  return fits && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
