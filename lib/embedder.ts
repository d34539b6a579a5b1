// The public class: a loaded model and the calls on it. What the parts of a call do stands in other files; here is the
// order in which they come.

import { setImmediate as turn } from 'node:timers/promises';
import { debuglog } from 'node:util';
import { addon } from './addon/binary';
import { nativeWork } from './addon/native_call';
import type { DeviceInfo, LoadedModel, Precision } from './addon/types';
import { cancellable } from './cancellation';
import { type Checkpoint, readCheckpoint } from './checkpoint/checkpoint';
import { EmbedderError } from './errors';
import {
  type CountOptions,
  checkCountOptions,
  checkEmbedOptions,
  type EmbedOptions,
  type EmbedRequest,
} from './options/embed';
import { checkInputs, type Input } from './options/inputs';
import { checkFolder, checkLoadOptions, type LoadOptions, type LoadRequest } from './options/load';
import { countTokens, tokenIds } from './text/token_ids';
import { Tokenizer } from './text/tokenizer';

// NODE_DEBUG=qwen3-embed says which device was taken, and why no other.
const debug = debuglog('qwen3-embed');

// Rows that are made views before the event loop has its turn: 1 ms.
const viewsPerTurn = 4_096;

// Models of embedders that nobody closed and nobody holds any more.
const forgotten = new FinalizationRegistry<number>((model) => addon.unload(model));

/**
 * A loaded Qwen3-Embedding model.
 *
 * Calls from anywhere in the process join one queue and are computed in batches; a text's vector has the same bits
 * whatever shares its batch (on a card, with `batchInvariant`). Mistakes in arguments reject with a `TypeError` or `RangeError`, a cancelled call with its
 * signal's reason, all else with an {@link EmbedderError} whose `code` says what to do.
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
    this.#loaded = loaded;
    this.#maxBatchTokens = request.maxBatchTokens ?? loaded.batchTokens;
    this.#batchInvariant = request.batchInvariant;
    this.#tokenizer = tokenizer;
    forgotten.register(this, loaded.model, this);
  }

  /**
   * Loads a checkpoint as Hugging Face publishes it: a folder with `config.json`, `model.safetensors` (or shards and
   * their index) and `tokenizer.json`; without the last, the model takes token ids only. Loads of the same folder,
   * device and precision share the weights.
   *
   * Fails with `MODEL_NOT_FOUND`, `MODEL_INVALID`, `MODEL_UNSUPPORTED`, `DEVICE_UNAVAILABLE`, `PRECISION_UNSUPPORTED`
   * or `OUT_OF_MEMORY`.
   */
  static async load(folder: string, options?: LoadOptions): Promise<Embedder> {
    const checkedFolder = checkFolder(folder);
    const request = checkLoadOptions(options);
    return cancellable(request.signal, (cancelled, cancel) =>
      Embedder.#load(checkedFolder, request, cancelled, cancel),
    );
  }

  static async #load(
    folder: string,
    request: LoadRequest,
    cancelled: AbortSignal,
    cancel: (reason: unknown) => void,
  ): Promise<Embedder> {
    const { device, precision, threads, onProgress } = request;
    // Read here: a worker has an environment of its own.
    const { QWEN3_EMBED_CPU: instructionSet = '', QWEN3_EMBED_CUDA_LIBRARY: cudaLibrary = '' } =
      process.env;
    const checkpoint = await readCheckpoint(folder);
    const progress =
      onProgress &&
      ((loaded: number, total: number) => {
        try {
          if (!cancelled.aborted) onProgress({ loaded, total });
        } catch (error) {
          cancel(error);
        }
      });
    cancelled.throwIfAborted();
    // The tokenizer is parsed on this thread while native reads the weights on its own.
    const loading = nativeWork(cancelled, () =>
      addon.load(
        checkpoint.source,
        { device, precision, threads, instructionSet, cudaLibrary },
        progress,
      ),
    );
    const opening =
      checkpoint.tokenizer === undefined ? undefined : Tokenizer.open(checkpoint.tokenizer);
    opening?.catch(cancel);
    const [loaded, opened] = await Promise.allSettled([loading, opening]);
    if (loaded.status === 'rejected') throw loaded.reason;
    if (cancelled.aborted || opened.status === 'rejected') {
      addon.unload(loaded.value.model);
      throw opened.status === 'rejected' ? opened.reason : cancelled.reason;
    }
    if (loaded.value.note !== '') debug('%s', loaded.value.note);
    return new Embedder(checkpoint, loaded.value, request, opened.value);
  }

  /** Width of a full vector, in values. */
  get dimensions(): number {
    return this.#checkpoint.source.config.hidden;
  }

  /** Longest input, in tokens, prompt and end token counted: the model's, or what a card has memory for. */
  get maxTokens(): number {
    return this.#loaded.maxTokens;
  }

  /** What computes, for people to read. */
  get device(): DeviceInfo {
    return this.#loaded.device;
  }

  /** What the weights are kept in, as in the option of that name. */
  get precision(): Precision {
    return this.#loaded.precision;
  }

  /** The checkpoint's folder, as an absolute path. */
  get model(): string {
    return this.#checkpoint.folder;
  }

  /**
   * Embeds a text, or token ids that are taken as they are: a unit vector of `options.dimensions` values, the final
   * hidden state of the last token. For an array, one vector for each input in their order: views of one packed array
   * that native wrote, so keeping one keeps all of the call.
   *
   * Fails with `INPUT_TOO_LONG`, `NON_FINITE` (whose `indices` name the inputs that failed and whose `vectors` hold the
   * others), `OUT_OF_MEMORY`, `DEVICE_FAILED` or `CLOSED`.
   */
  embed(input: Input, options?: EmbedOptions): Promise<Float32Array>;
  embed(input: readonly Input[], options?: EmbedOptions): Promise<Float32Array[]>;
  async embed(
    input: Input | readonly Input[],
    options?: EmbedOptions,
  ): Promise<Float32Array | Float32Array[]> {
    const inputs = checkInputs(input);
    const request = checkEmbedOptions(options, inputs, this.#checkpoint.prompts, this.dimensions);
    const vectors = await this.#run(request.signal, (cancelled) =>
      this.#embed(inputs, request, cancelled),
    );
    return Array.isArray(input) ? vectors : (vectors[0] as Float32Array);
  }

  /**
   * How many tokens `embed` would compute for a text with its prompt and end token, however many the model takes; for an
   * array, the number of each input.
   */
  countTokens(input: Input, options?: CountOptions): Promise<number>;
  countTokens(input: readonly Input[], options?: CountOptions): Promise<number[]>;
  async countTokens(
    input: Input | readonly Input[],
    options?: CountOptions,
  ): Promise<number | number[]> {
    const inputs = checkInputs(input);
    const request = checkCountOptions(options, inputs, this.#checkpoint.prompts);
    const { vocabulary } = this.#checkpoint.source.config;
    const counts = await this.#run(request.signal, (cancelled) =>
      countTokens(inputs, request, vocabulary, this.#tokenizer, cancelled),
    );
    return Array.isArray(input) ? counts : (counts[0] as number);
  }

  /** Refuses new calls with `CLOSED`, waits for those that run, then frees the model. May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#running);
    forgotten.unregister(this);
    addon.unload(this.#loaded.model);
  }

  #run<T>(
    signal: AbortSignal | undefined,
    work: (cancelled: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (this.#closing)
      throw new EmbedderError('CLOSED', 'The embedder is closed: load the model again.');
    const call = cancellable(signal, work);
    this.#running.add(call);
    return call.finally(() => this.#running.delete(call));
  }

  async #embed(
    inputs: readonly Input[],
    request: EmbedRequest,
    cancelled: AbortSignal,
  ): Promise<Float32Array[]> {
    if (inputs.length === 0) return [];
    const { ids, lengths } = await tokenIds(
      inputs,
      request,
      { ...this.#checkpoint.source.config, maxPositions: this.maxTokens },
      this.#tokenizer,
      cancelled,
    );
    const { vectors, nonFinite } = await nativeWork(cancelled, () =>
      addon.embed(
        this.#loaded.model,
        ids,
        lengths,
        request.dimensions,
        this.#maxBatchTokens,
        this.#batchInvariant,
      ),
    );
    const rows = await rowsOf(vectors, request.dimensions);
    if (nonFinite.length === 0) return rows;
    const failed = new Set(nonFinite);
    const named = `${nonFinite.slice(0, 10).join(', ')}${nonFinite.length > 10 ? ', ...' : ''}`;
    throw new EmbedderError(
      'NON_FINITE',
      `No finite vector for input ${named}: the error's vectors hold the others.`,
      {
        indices: nonFinite,
        vectors: rows.map((row, index) => (failed.has(index) ? null : row)),
      },
    );
  }
}

async function rowsOf(vectors: Float32Array, dimensions: number): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (let start = 0; start < vectors.length; start += dimensions) {
    rows.push(vectors.subarray(start, start + dimensions));
    if (rows.length % viewsPerTurn === 0) await turn();
  }
  return rows;
}
