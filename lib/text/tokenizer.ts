// The tokenizer of a model. Native code reads the file and converts texts, on a thread of its own;
// token_ids.ts adds prompts and checks the result.

import { addon } from '../addon/binary';
import { nativeWork } from '../addon/native_call';
import type { Tokenized, TokenizeOptions } from '../addon/types';
import type { Cancellation } from '../cancellation';

// The token that Qwen3-Embedding pools. The published template appends it to every text.
const endToken = '<|endoftext|>';

// Files for which the warning about a missing end token has been emitted.
const warned = new Set<string>();

export class Tokenizer {
  /** Identifies the tokenizer in native code. */
  readonly number: number;

  private constructor(number: number) {
    this.number = number;
  }

  /**
   * Reads a `tokenizer.json` for a model whose embedding table has `vocabulary` rows. Warns once
   * per file if its template adds no tokens; the end token is appended then. Rejects with
   * `MODEL_INVALID`, `MODEL_UNSUPPORTED` or `MODEL_NOT_FOUND`.
   */
  static async open(
    file: string,
    vocabulary: number,
    cancellation: Cancellation,
  ): Promise<Tokenizer> {
    const { tokenizer, appendsEndToken } = await nativeWork(cancellation, () =>
      addon.openTokenizer(file, vocabulary, endToken),
    );
    if (appendsEndToken && !warned.has(file)) {
      warned.add(file);
      process.emitWarning(
        `The template in ${file} does not append ${endToken}, as in early releases of the ` +
          'model; the token is appended anyway.',
      );
    }
    return new Tokenizer(tokenizer);
  }

  /** Converts texts, each with `prefix` before it. At least one text. */
  encode(
    prefix: string,
    texts: readonly string[],
    options: TokenizeOptions,
    cancellation: Cancellation,
  ): Promise<Tokenized> {
    return nativeWork(cancellation, () => addon.tokenize(this.number, prefix, texts, options));
  }

  /** Frees its memory when running calls have settled. */
  close(): void {
    addon.closeTokenizer(this.number);
  }
}
