// The public class: a loaded model and the calls on it. This file determines the order of the steps
// of a call; other files implement the steps.

// For the declaration file, which names Symbol.asyncDispose.
/// <reference lib="esnext.disposable" preserve="true" />

import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { debuglog } from 'node:util';
import { addon } from './addon/binary';
import { nativeWork } from './addon/native_call';
import type { DeviceInfo, LoadedModel, Precision, Vector } from './addon/types';
import { type AbortSignalLike, type Cancellation, cancellable } from './cancellation';
import { type Checkpoint, readCheckpoint } from './checkpoint/checkpoint';
import { EmbedderError } from './errors';
import {
  type CountOptions,
  checkCountOptions,
  checkEmbedOptions,
  type EmbedOptions,
  type EmbedRequest,
} from './options/embed';
import { type Input, Inputs } from './options/inputs';
import { checkFolder, checkLoadOptions, type LoadOptions, type LoadRequest } from './options/load';
import { showItems } from './show';
import { addTokenIds, countTokens, type TokenIds } from './text/token_ids';
import { Tokenizer } from './text/tokenizer';
import { newVectors, refuseTooMany } from './vectors';

// NODE_DEBUG=qwen3-embed logs which CUDA library was opened, or why `auto` did not select a GPU.
const debug = debuglog('qwen3-embed');

// Frees the memory of embedders that are garbage-collected without having been closed.
const finalization = new FinalizationRegistry<Resources>(release);

interface Resources {
  readonly model: number;
  readonly tokenizer: Tokenizer | undefined;
}

function release({ model, tokenizer }: Resources): void {
  addon.unload(model);
  tokenizer?.close();
}

/**
 * A loaded Qwen3-Embedding model. Create one with {@link Embedder.load}.
 *
 * The calls of all embedders in the process share one queue and are computed in batches, off the
 * event loop. The vector of a text has the same bits, whichever texts share its batch (on a GPU:
 * if loaded with `batchInvariant`).
 *
 * Methods reject with a `TypeError` or `RangeError` if an argument is invalid, with the signal's
 * reason if the call is cancelled, and otherwise with an {@link EmbedderError} whose `code` names
 * the cause.
 *
 * @example
 * const embedder = await Embedder.load('models/Qwen3-Embedding-0.6B');
 * const documents = await embedder.embed([
 *   'Cats sleep most of the day.',
 *   'Compilers turn source into code.',
 * ]);
 * const query = await embedder.embed('How long do cats sleep?', {
 *   instruction: 'Given a web search query, retrieve relevant passages that answer the query',
 * });
 * await embedder.close();
 */
export class Embedder {
  readonly #checkpoint: Checkpoint;
  readonly #loaded: LoadedModel;
  readonly #maxBatchTokens: number;
  readonly #batchInvariant: boolean;
  readonly #tokenizer: Tokenizer | undefined;
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  private constructor(
    checkpoint: Checkpoint,
    loaded: LoadedModel,
    request: LoadRequest,
    tokenizer: Tokenizer | undefined,
  ) {
    this.#checkpoint = checkpoint;
    this.#loaded = { ...loaded, device: { ...loaded.device } }; // objects of this realm
    this.#maxBatchTokens = request.maxBatchTokens ?? loaded.batchTokens;
    this.#batchInvariant = request.batchInvariant;
    this.#tokenizer = tokenizer;
    finalization.register(this, { model: loaded.model, tokenizer }, this);
  }

  /**
   * Loads a checkpoint in Hugging Face's layout.
   *
   * Loads of the same folder, device and precision share the weights in memory. A load rejects with
   * `MODEL_INVALID` if one of the checkpoint's files changes meanwhile.
   *
   * @param folder Path of a folder with `config.json`, `model.safetensors` (or shards and
   * `model.safetensors.index.json`) and `tokenizer.json`. Without `tokenizer.json` the model
   * accepts token ids only.
   * @throws {TypeError} An argument or option has the wrong type, or an option is unknown.
   * @throws {RangeError} An option has an invalid value.
   * @throws {EmbedderError} `MODEL_NOT_FOUND`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`,
   * `DEVICE_UNAVAILABLE`, `PRECISION_UNSUPPORTED`, `OUT_OF_MEMORY` or `DEVICE_FAILED`.
   */
  static async load(folder: string, options?: LoadOptions): Promise<Embedder> {
    const checkedFolder = checkFolder(folder);
    const request = checkLoadOptions(options);
    return cancellable(request.signal, (cancellation) =>
      Embedder.#load(checkedFolder, request, cancellation),
    );
  }

  static async #load(
    path: string,
    request: LoadRequest,
    cancellation: Cancellation,
  ): Promise<Embedder> {
    const { device, precision, threads, onProgress } = request;
    // Read in JavaScript, because each worker has its own copy of the environment variables.
    const { QWEN3_EMBED_CPU: instructionSet = '', QWEN3_EMBED_CUDA_LIBRARY: cudaLibrary = '' } =
      process.env;
    const checkpoint = await readCheckpoint(path);
    const { folder, tokenizer } = checkpoint;
    const progress =
      onProgress &&
      ((loaded: number, total: number) => {
        try {
          onProgress({ loaded, total });
        } catch (error) {
          cancellation.cancel(error);
        }
      });
    cancellation.throwIfCancelled();
    // One thread reads the tokenizer while the loader thread reads the weights.
    const loading = nativeWork(cancellation, () =>
      addon.load(
        checkpoint.source,
        { device, precision, threads, instructionSet, cudaLibrary },
        progress,
      ),
    );
    const opening =
      tokenizer === undefined
        ? undefined
        : Tokenizer.open(tokenizer, checkpoint.source.config.vocabulary, cancellation);
    // If one of them fails, the other one ends too.
    for (const work of [loading, opening]) work?.catch((error) => cancellation.cancel(error));
    const [loaded, opened] = await Promise.allSettled([loading, opening]);
    try {
      if (loaded.status === 'rejected') throw loaded.reason;
      if (opened.status === 'rejected') throw opened.reason;
      await folder.refuseChanges();
      cancellation.throwIfCancelled();
    } catch (error) {
      if (loaded.status === 'fulfilled') addon.unload(loaded.value.model);
      if (opened.status === 'fulfilled') opened.value?.close();
      throw error;
    }
    if (loaded.value.note !== '') debug('%s', loaded.value.note);
    const embedder = new Embedder(checkpoint, loaded.value, request, opened.value);
    cancellation.onCancel(() => embedder.close()); // aborted before the load has settled
    return embedder;
  }

  /** Values of a full vector: the model's hidden size. */
  get dimensions(): number {
    return this.#checkpoint.source.config.hidden;
  }

  /**
   * The longest input, in tokens, including the prompt and the end token: the model's limit, or
   * fewer if the GPU does not have memory for more.
   */
  get maxTokens(): number {
    return this.#loaded.maxTokens;
  }

  /** The device that computes, described for display. */
  get device(): DeviceInfo {
    return this.#loaded.device;
  }

  /** The precision in use: the one that was requested, or the one that `auto` selected. */
  get precision(): Precision {
    return this.#loaded.precision;
  }

  /** Absolute path of the checkpoint's folder, symbolic links resolved. */
  get model(): string {
    return this.#checkpoint.folder.path;
  }

  /**
   * Embeds a text, token ids, or an array of either.
   *
   * @param input A string; a `Uint32Array` of token ids, to which nothing is added; or an array of
   * these. An empty array results in an empty array. An array is copied at once; its elements are
   * checked and converted in slices, so do not change a `Uint32Array` in it before the call
   * settles.
   * @returns For a single input, its vector; for an array, one vector per input, in order. A vector
   * has `options.dimensions` values (default: {@link Embedder.dimensions}) and L2 norm 1. It is the
   * final hidden state of the last token. It has a `buffer` of its own.
   * @throws {TypeError} An argument or option has the wrong type, or an option is unknown.
   * @throws {RangeError} An option has an invalid value, an array has more than 16,777,216
   * elements, token ids are empty or outside of the vocabulary, or a text contains special tokens
   * that `specialTokens: 'error'` refuses.
   * @throws {EmbedderError} `INPUT_TOO_LONG`; `NON_FINITE`, with the failed inputs in `indices` and
   * the vectors of the remaining inputs in `vectors`; `OUT_OF_MEMORY`; `DEVICE_FAILED`; `CLOSED`;
   * for texts also `MODEL_NOT_FOUND` (the model has no `tokenizer.json`) and `MODEL_INVALID` (a
   * text contains a token of its `tokenizer.json` that the model does not have).
   */
  embed(input: Input, options?: EmbedOptions): Promise<Vector>;
  embed(input: readonly Input[], options?: EmbedOptions): Promise<Vector[]>;
  embed(input: Input | readonly Input[], options?: EmbedOptions): Promise<Vector | Vector[]>;
  async embed(input: Input | readonly Input[], options?: EmbedOptions): Promise<Vector | Vector[]> {
    const inputs = new Inputs(input);
    const request = checkEmbedOptions(options, this.#checkpoint.prompts, this.dimensions);
    // Not awaited: while it waits, a suspended function would keep its arguments in memory.
    return this.#run(request.signal, (cancellation) => this.#embed(inputs, request, cancellation));
  }

  /**
   * Counts the tokens of a text, or of each input of an array, including the prompt and the end
   * token that {@link Embedder.embed} adds. The count may exceed {@link Embedder.maxTokens}. Token
   * ids count as they are.
   *
   * Rejects as {@link Embedder.embed} does, except with `INPUT_TOO_LONG` and the errors of the
   * computation.
   */
  countTokens(input: Input, options?: CountOptions): Promise<number>;
  countTokens(input: readonly Input[], options?: CountOptions): Promise<number[]>;
  countTokens(input: Input | readonly Input[], options?: CountOptions): Promise<number | number[]>;
  async countTokens(
    input: Input | readonly Input[],
    options?: CountOptions,
  ): Promise<number | number[]> {
    const inputs = new Inputs(input);
    const request = checkCountOptions(options, this.#checkpoint.prompts);
    const { vocabulary } = this.#checkpoint.source.config;
    const counts = await this.#run(request.signal, (cancellation) =>
      countTokens(inputs, request, vocabulary, this.#tokenizer, cancellation),
    );
    return inputs.isSingle ? (counts[0] as number) : counts;
  }

  /**
   * Rejects new calls with `CLOSED`, waits for running calls to settle, then frees the model's
   * memory unless another embedder shares it. Further calls return the same promise.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Calls {@link Embedder.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#running);
    await yieldToEventLoop(); // so that whoever awaits one of these calls continues first
    finalization.unregister(this);
    release({ model: this.#loaded.model, tokenizer: this.#tokenizer });
  }

  #run<T>(
    signal: AbortSignalLike | undefined,
    work: (cancellation: Cancellation) => Promise<T>,
  ): Promise<T> {
    if (this.#closing)
      throw new EmbedderError('CLOSED', 'The embedder is closed: load the model again.');
    const call = cancellable(signal, work);
    this.#running.add(call);
    return call.finally(() => this.#running.delete(call));
  }

  async #embed(
    inputs: Inputs,
    request: EmbedRequest,
    cancellation: Cancellation,
  ): Promise<Vector | Vector[]> {
    if (inputs.length === 0) return [];
    const limits = {
      vocabulary: this.#checkpoint.source.config.vocabulary,
      maxTokens: this.maxTokens,
    };
    refuseTooMany(inputs.length);
    const vectors: Vector[] = [];
    const nonFinite = await nativeWork(
      cancellation,
      () =>
        addon.embed(
          this.#loaded.model,
          inputs.length,
          request.dimensions,
          this.#maxBatchTokens,
          this.#batchInvariant,
          this.#loaded.device.threads,
        ),
      async (ticket) => {
        const add = ({ ids, lengths }: TokenIds) => {
          const added = newVectors(lengths.length, request.dimensions);
          addon.addTexts(ticket, ids, lengths, added);
          vectors.push(...added);
        };
        await addTokenIds(inputs, request, limits, this.#tokenizer, cancellation, add);
        addon.submit(ticket);
      },
    );
    if (nonFinite.length === 0) return inputs.isSingle ? (vectors[0] as Vector) : vectors;
    const finite: (Vector | null)[] = vectors;
    const indices = Array.from(nonFinite);
    for (const index of indices) finite[index] = null;
    throw new EmbedderError(
      'NON_FINITE',
      `No finite vector for input ${showItems(indices)}: ` +
        'error.vectors has those of the other inputs.',
      { indices, vectors: finite },
    );
  }
}
