// Converts text to token ids. Only this file uses the `tokenizers` package, Hugging Face's binding,
// which encodes on its own threads. token_ids.ts adds prompts, enforces limits and checks ids.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Tokenizer as Library } from 'tokenizers';
import { EmbedderError } from '../errors';
import { shorten } from '../show';

// The token that Qwen3-Embedding pools. The model's template appends it to every text.
const endToken = '<|endoftext|>';

// Files for which the warning about a missing end token has been emitted.
const warned = new Set<string>();

export class Tokenizer {
  /** Special tokens by id: all added tokens, including `<think>` and similar ones. */
  readonly specialTokens: ReadonlyMap<number, string>;
  readonly #file: string;
  readonly #library: Library;
  readonly #hash: string;
  // Appended to every text if the file's template appends nothing.
  readonly #appended: number | undefined;
  #plainLibrary: Promise<Library> | undefined;

  private constructor(
    file: string,
    hash: string,
    library: Library,
    specialTokens: ReadonlyMap<number, string>,
    appended: number | undefined,
  ) {
    this.specialTokens = specialTokens;
    this.#file = file;
    this.#hash = hash;
    this.#library = library;
    this.#appended = appended;
  }

  /**
   * Reads a `tokenizer.json`. The library can parse it on the calling thread only: 0.7 s for the
   * 11 MB file of the published models. Warns once per file if its template appends no end token.
   * Throws `MODEL_INVALID`.
   */
  static async open(file: string): Promise<Tokenizer> {
    try {
      const json = await readFile(file);
      refuseBrokenTemplate(json);
      const specialTokens = readSpecialTokens(json);
      const library = withoutLimits(Library.fromFile(file));
      // The encoding of an empty text is what the template appends.
      const template = await library.encode('');
      if (template.getLength() > 0)
        return new Tokenizer(file, hashOf(json), library, specialTokens, undefined);
      const appended = library.tokenToId(endToken);
      if (appended === null) throw new Error(`it has no token ${endToken}`);
      if (!warned.has(file)) {
        process.emitWarning(
          `The template in ${file} does not append ${endToken}, as in early releases of the ` +
            'model; the token is appended anyway.',
        );
      }
      warned.add(file);
      return new Tokenizer(file, hashOf(json), library, specialTokens, appended);
    } catch (error) {
      throw invalid(file, error);
    }
  }

  /**
   * Token ids of each text, including the end token. With `asText`, special tokens in a text are
   * read as ordinary text. Lone surrogates become U+FFFD. Throws `MODEL_INVALID` if the tokenizer
   * fails.
   */
  async encode(texts: readonly string[], asText: boolean): Promise<number[][]> {
    try {
      const library = asText ? await this.#plain() : this.#library;
      const encodings = await library.encodeBatch([...texts]);
      return encodings.map((encoding) => {
        const ids = encoding.getIds();
        if (this.#appended !== undefined) ids.push(this.#appended);
        return ids;
      });
    } catch (error) {
      throw invalid(this.#file, error);
    }
  }

  /**
   * The same tokenizer without special tokens. Created at first use, by removing them from the
   * JSON, because the library has no option to ignore them.
   */
  #plain(): Promise<Library> {
    this.#plainLibrary ??= this.#openPlain().catch((error) => {
      this.#plainLibrary = undefined; // the next call tries again
      throw error;
    });
    return this.#plainLibrary;
  }

  async #openPlain(): Promise<Library> {
    const json = await readFile(this.#file);
    if (hashOf(json) !== this.#hash) {
      throw new Error('it has changed since the model was loaded; load the model again');
    }
    const { from, to } = rangeOf('added_tokens', json);
    return withoutLimits(
      Library.fromString(`${json.toString('utf8', 0, from)}[]${json.toString('utf8', to)}`),
    );
  }
}

function hashOf(json: Buffer): string {
  return createHash('sha256').update(json).digest('hex');
}

// Truncation and padding in the file are settings for training.
function withoutLimits(library: Library): Library {
  library.disableTruncation();
  library.disablePadding();
  return library;
}

function readSpecialTokens(json: Buffer): ReadonlyMap<number, string> {
  const { from, to } = rangeOf('added_tokens', json);
  const tokens = JSON.parse(json.toString('utf8', from, to)) as readonly {
    id: number;
    content: string;
  }[];
  return new Map(tokens.map((token) => [token.id, token.content]));
}

interface Processor {
  readonly single?: readonly { readonly SpecialToken?: { readonly id: string } }[];
  readonly special_tokens?: object;
  readonly processors?: readonly Processor[];
}

/**
 * Throws if the template uses a token that it does not define. The library would panic on its own
 * thread, which ends the process.
 */
function refuseBrokenTemplate(json: Buffer): void {
  const { from, to } = rangeOf('post_processor', json);
  const refuse = ({ single = [], special_tokens = {}, processors = [] }: Processor) => {
    for (const { SpecialToken: token } of single) {
      if (token && !Object.hasOwn(special_tokens, token.id))
        throw new Error(`its template does not define ${token.id}`);
    }
    processors.forEach(refuse);
  };
  refuse(JSON.parse(json.toString('utf8', from, to)) ?? {});
}

/**
 * Byte range [from, to) of the value of `key`: an object, an array or null. Searches for it instead
 * of parsing the whole file, which would block the event loop for 0.3 s. Entries of the vocabulary
 * do not match, because their values are numbers.
 */
function rangeOf(key: string, json: Buffer): { from: number; to: number } {
  // In latin1 a character is a byte, and quotes and brackets are the same as in UTF-8.
  const text = json.toString('latin1');
  const start = new RegExp(`"${key}"\\s*:\\s*(?=[[{n])`).exec(text);
  if (!start) throw new Error(`it has no ${key}`);
  const from = start.index + start[0].length;
  // Strings match as a whole, so that brackets in them do not count.
  const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|null|[[\]{}]/g;
  tokens.lastIndex = from;
  for (let depth = 0, token = tokens.exec(text); token; token = tokens.exec(text)) {
    if (token[0] === '[' || token[0] === '{') depth++;
    if (token[0] === ']' || token[0] === '}') depth--;
    if (depth === 0) return { from, to: tokens.lastIndex };
  }
  throw new Error(`its ${key} is not terminated`);
}

function invalid(file: string, error: unknown): EmbedderError {
  if (error instanceof EmbedderError) return error;
  const message = shorten((error as Error).message, 200); // the library quotes from the file
  return new EmbedderError('MODEL_INVALID', `${file}: ${message}.`, { cause: error });
}
