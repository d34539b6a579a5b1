// Text to token ids. The one file that knows the `tokenizers` package, Hugging Face's own binding, which encodes on
// threads of its own. Prompts, limits and the checks of ids are token_ids.ts's matter.

import { readFile } from 'node:fs/promises';
import { Tokenizer as Library } from 'tokenizers';
import { EmbedderError } from './errors';

// The token that Qwen3-Embedding pools: its template puts it after every text.
const endToken = '<|endoftext|>';

export class Tokenizer {
  readonly #file: string;
  readonly #library: Library;
  // Put after every text where the file's own template puts nothing.
  readonly #appended: number | undefined;
  #plainLibrary: Promise<Library> | undefined;
  #specialTokens: Promise<ReadonlyMap<number, string>> | undefined;

  private constructor(file: string, library: Library, appended: number | undefined) {
    this.#file = file;
    this.#library = library;
    this.#appended = appended;
  }

  /**
   * Reads a `tokenizer.json`. The library parses it on the calling thread, 0.7 s for the 11 MB of the published models,
   * and has no other way. Warns where the file's template appends no end token. Throws `MODEL_INVALID`.
   */
  static async open(file: string): Promise<Tokenizer> {
    try {
      const library = withoutLimits(Library.fromFile(file));
      // What the template makes of nothing is what it appends.
      if ((await library.encode('')).getLength() > 0) return new Tokenizer(file, library, undefined);
      const appended = library.tokenToId(endToken);
      if (appended === null) throw new Error(`there is no ${endToken}`);
      process.emitWarning(`${file} is from before its template appended ${endToken}; it is appended all the same.`);
      return new Tokenizer(file, library, appended);
    } catch (error) {
      throw invalid(file, error);
    }
  }

  /**
   * Token ids of each text, the end token last. `asText`: special tokens that a text spells out are read as any other
   * text. Lone surrogates become U+FFFD. Throws `MODEL_INVALID` where the tokenizer fails.
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

  /** The special tokens, `<think>` and its like among them, by id. Throws `MODEL_INVALID`. */
  specialTokens(): Promise<ReadonlyMap<number, string>> {
    this.#specialTokens ??= splitAddedTokens(this.#file).then(({ added }) => {
      const tokens = JSON.parse(added) as readonly { id: number; content: string }[];
      return new Map(tokens.map((token) => [token.id, token.content]));
    });
    return this.#specialTokens;
  }

  /** The same tokenizer without its special tokens, made at its first use: the library has no switch for it. */
  #plain(): Promise<Library> {
    this.#plainLibrary ??= splitAddedTokens(this.#file).then(({ before, after }) =>
      withoutLimits(Library.fromString(`${before}[]${after}`)),
    );
    return this.#plainLibrary;
  }
}

// What a file says of truncation and padding is meant for training.
function withoutLimits(library: Library): Library {
  library.disableTruncation();
  library.disablePadding();
  return library;
}

/**
 * A tokenizer.json cut at its array `added_tokens`, because JSON.parse of the whole would hold the event loop for 0.3 s.
 * In the vocabulary a number follows such a word, so the key is not mistaken.
 */
async function splitAddedTokens(file: string): Promise<{ before: string; added: string; after: string }> {
  const text = await readFile(file, 'utf8');
  const start = /"added_tokens"\s*:\s*(?=\[)/.exec(text);
  if (start) {
    const from = start.index + start[0].length;
    // Strings are passed over whole, so that brackets in them do not count.
    const tokens = /"(?:[^"\\]|\\.)*"|[[\]]/g;
    tokens.lastIndex = from;
    for (let depth = 0, token = tokens.exec(text); token; token = tokens.exec(text)) {
      if (token[0] === '[') depth++;
      if (token[0] === ']') depth--;
      if (depth === 0) {
        const to = tokens.lastIndex;
        return { before: text.slice(0, from), added: text.slice(from, to), after: text.slice(to) };
      }
    }
  }
  throw invalid(file, new Error('it has no array added_tokens'));
}

function invalid(file: string, error: unknown): EmbedderError {
  if (error instanceof EmbedderError) return error;
  return new EmbedderError('MODEL_INVALID', `${file}: ${(error as Error).message}.`, { cause: error });
}
