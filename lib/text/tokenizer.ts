// Text to token ids. The one file that knows the `tokenizers` package, Hugging Face's own binding, which encodes on
// threads of its own. Prompts, limits and the checks of ids are token_ids.ts's matter.

import { readFile } from 'node:fs/promises';
import { Tokenizer as Library } from 'tokenizers';
import { EmbedderError } from '../errors';

// The token that Qwen3-Embedding pools: its template puts it after every text.
const endToken = '<|endoftext|>';

// Files that were warned of.
const warned = new Set<string>();

export class Tokenizer {
  /** Special tokens by id, `<think>` and its like among them. */
  readonly specialTokens: ReadonlyMap<number, string>;
  readonly #file: string;
  readonly #library: Library;
  // Put after every text where the file's own template puts nothing.
  readonly #appended: number | undefined;
  #plainLibrary: Promise<Library> | undefined;

  private constructor(
    file: string,
    library: Library,
    specialTokens: ReadonlyMap<number, string>,
    appended: number | undefined,
  ) {
    this.specialTokens = specialTokens;
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
      const json = await readFile(file);
      refuseBrokenTemplate(json);
      const specialTokens = readSpecialTokens(json);
      const library = withoutLimits(Library.fromFile(file));
      // What the template makes of nothing is what it appends.
      const template = await library.encode('');
      if (template.getLength() > 0) return new Tokenizer(file, library, specialTokens, undefined);
      const appended = library.tokenToId(endToken);
      if (appended === null) throw new Error(`there is no ${endToken}`);
      if (!warned.has(file)) {
        process.emitWarning(
          `${file} is from before its template appended ${endToken}; it is appended all the same.`,
        );
      }
      warned.add(file);
      return new Tokenizer(file, library, specialTokens, appended);
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

  /** The same tokenizer without its special tokens, made at its first use: the library has no switch for it. */
  #plain(): Promise<Library> {
    this.#plainLibrary ??= readFile(this.#file).then((json) => {
      const { from, to } = placeOf('added_tokens', json);
      return withoutLimits(
        Library.fromString(`${json.toString('utf8', 0, from)}[]${json.toString('utf8', to)}`),
      );
    });
    return this.#plainLibrary;
  }
}

// What a file says of truncation and padding is meant for training.
function withoutLimits(library: Library): Library {
  library.disableTruncation();
  library.disablePadding();
  return library;
}

function readSpecialTokens(json: Buffer): ReadonlyMap<number, string> {
  const { from, to } = placeOf('added_tokens', json);
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

/** A template that names a token and does not say what it is ends the process: the library panics on its own thread. */
function refuseBrokenTemplate(json: Buffer): void {
  const { from, to } = placeOf('post_processor', json);
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
 * Where the value of a key stands, in bytes: JSON.parse of the whole would hold the event loop for 0.3 s. The keys asked
 * for are not mistaken for words of the vocabulary, whose values are numbers.
 */
function placeOf(key: string, json: Buffer): { from: number; to: number } {
  // A character is a byte; quotes and brackets are the same as in UTF-8.
  const text = json.toString('latin1');
  const start = new RegExp(`"${key}"\\s*:\\s*(?=[[{n])`).exec(text);
  if (!start) throw new Error(`it has no ${key}`);
  const from = start.index + start[0].length;
  // Strings are passed over whole, so that brackets in them do not count.
  const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|null|[[\]{}]/g;
  tokens.lastIndex = from;
  for (let depth = 0, token = tokens.exec(text); token; token = tokens.exec(text)) {
    if (token[0] === '[' || token[0] === '{') depth++;
    if (token[0] === ']' || token[0] === '}') depth--;
    if (depth === 0) return { from, to: tokens.lastIndex };
  }
  throw new Error(`its ${key} has no end`);
}

function invalid(file: string, error: unknown): EmbedderError {
  if (error instanceof EmbedderError) return error;
  return new EmbedderError('MODEL_INVALID', `${file}: ${(error as Error).message}.`, {
    cause: error,
  });
}
