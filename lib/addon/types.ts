// Types of the native addon's arguments, results and exports. This file has types only, so
// importing it does not load the addon.

/**
 * Storage type of the weights, and of the inputs of matrix products where the device multiplies
 * that type. Supported: CPU `f32`, `bf16`; GPU `bf16`, `f16`, `int8`; reference `f32`.
 */
export type Precision = 'f32' | 'bf16' | 'f16' | 'int8';

/**
 * An embedding: a `Float32Array` with a buffer of its own. Since TypeScript 5.7 it is a
 * `Float32Array<ArrayBuffer>`.
 */
export type Vector = ReturnType<Float32ArrayConstructor['of']>;

/** Data type of a tensor in the checkpoint. */
export type StoredType = 'f32' | 'bf16' | 'f16';

/** Location, type and shape of a tensor. Native checks them again: against file and config. */
export interface TensorSource {
  /** Index into `ModelSource.files`. */
  readonly file: number;
  /** In bytes, from the start of the file. */
  readonly offset: number;
  readonly bytes: number;
  readonly dtype: StoredType;
  /** A vector of n values has 1 row and n columns. */
  readonly rows: number;
  readonly cols: number;
}

/** The values of `config.json` that the forward pass needs. */
export interface ModelConfig {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly queryHeads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** Rows of the embedding table. Token ids are smaller. */
  readonly vocabulary: number;
  readonly maxPositions: number;
  readonly normEps: number;
  readonly ropeTheta: number;
}

/** The tensors of one layer, by role. */
export interface LayerSource {
  readonly attentionNorm: TensorSource;
  readonly query: TensorSource;
  readonly key: TensorSource;
  readonly value: TensorSource;
  readonly queryNorm: TensorSource;
  readonly keyNorm: TensorSource;
  readonly attentionOut: TensorSource;
  readonly mlpNorm: TensorSource;
  readonly gate: TensorSource;
  readonly up: TensorSource;
  readonly down: TensorSource;
}

/** A safetensors file. */
export interface FileSource {
  /** Absolute, symbolic links resolved. */
  readonly path: string;
  /**
   * Identifies its state when the header was read: device, inode, size and times. Loads share
   * weights only if it is equal.
   */
  readonly version: string;
}

/** A checkpoint, described for the native loader. */
export interface ModelSource {
  readonly config: ModelConfig;
  readonly files: readonly FileSource[];
  readonly embeddings: TensorSource;
  readonly finalNorm: TensorSource;
  readonly layers: readonly LayerSource[];
}

/** The device that computes, described for display. */
export interface DeviceInfo {
  /** `cpu`, `cuda` or `reference`. */
  readonly name: string;
  /** Instruction set of the CPU, or name and architecture of the GPU. */
  readonly instructionSet: string;
  /** The most CPU threads that compute a call, or the GPU's multiprocessors. */
  readonly threads: number;
}

/** Device and precision of a load. With empty strings and 0, native selects the value. */
export interface DeviceRequest {
  readonly device: string;
  readonly precision: Precision | 'auto';
  readonly threads: number;
  readonly instructionSet: string;
  readonly cudaLibrary: string;
}

/** A model in native memory. */
export interface LoadedModel {
  /** Identifies the model in this environment (main thread or worker). */
  readonly model: number;
  readonly device: DeviceInfo;
  readonly precision: Precision;
  /** Tokens at which a batch reaches the device's full speed. */
  readonly batchTokens: number;
  /** Longest text, in tokens: the model's limit, or fewer if the GPU has no memory for more. */
  readonly maxTokens: number;
  /** Which CUDA library was opened, or why `auto` did not select a GPU. Empty otherwise. */
  readonly note: string;
}

/** Work in progress. `cancel(ticket)` drops it; `promise` then resolves with undefined. */
export interface Pending<T> {
  readonly ticket: number;
  readonly promise: Promise<T | undefined>;
}

/** A tokenizer in native memory. */
export interface OpenedTokenizer {
  /** Identifies the tokenizer in this environment (main thread or worker). */
  readonly tokenizer: number;
  /** Whether the end token is appended because the file's template adds nothing. */
  readonly appendsEndToken: boolean;
}

/** How to treat special tokens in a text. */
export type SpecialTokens = 'parse' | 'text' | 'error';

export interface TokenizeOptions {
  readonly specialTokens: SpecialTokens;
  /** Limit of a text, with the tokens that the template adds; at most 2^32 - 1. */
  readonly maxTokens: number;
  /**
   * Whether a longer text is cut to the limit. If not, its length is more than the limit, but not
   * known exactly.
   */
  readonly truncate: boolean;
  /** Whether ids are wanted. If not, texts are only counted. */
  readonly keepIds: boolean;
}

/** An added token in a text. */
export interface RefusedToken {
  readonly id: number;
  readonly content: string;
}

/** The token ids of texts, one after another, and the count of each. */
export interface Tokenized {
  readonly ids: Uint32Array;
  readonly lengths: Uint32Array;
  /**
   * Why conversion has ended before the text at `lengths.length`: it has a special token that
   * `specialTokens: 'error'` refuses, or a token whose id is outside of the vocabulary.
   */
  readonly refused?: RefusedToken;
}

/**
 * The exports of the native addon. Functions throw, and promises reject with, an Error whose `code`
 * is an `ErrorCode`, or a RangeError for an invalid argument.
 */
export interface Addon {
  /**
   * Reads a checkpoint into a backend's memory, on the loader thread. Shares the weights with a
   * model that is already loaded with the same files, device and precision.
   */
  load(
    source: ModelSource,
    request: DeviceRequest,
    onProgress: ((loaded: number, total: number) => void) | undefined,
  ): Pending<LoadedModel>;
  /** Releases a model. Its memory is freed when no work and no other embedder uses it. */
  unload(model: number): void;
  /**
   * Begins a call with `texts` texts, at least 1, whose vectors have `dimensions` values.
   * `maxBatchTokens` is the largest batch, in tokens, that its texts may be part of. With
   * `batchInvariant`, no bit of a vector depends on its batch. `threads`: the most CPU threads that
   * compute it. Resolves with the indices, ascending, of the texts without a finite vector.
   */
  embed(
    model: number,
    texts: number,
    dimensions: number,
    maxBatchTokens: number,
    batchInvariant: boolean,
    threads: number,
  ): Pending<Uint32Array>;
  /**
   * Adds texts to a call that has not been submitted: copies their token ids, which follow one
   * another in `ids`. `lengths` has the count of each text, at least 1. `vectors` has an array of
   * `dimensions` values for each text, into which its vector is written: zeros if it is not finite.
   * Do not transfer them before the call settles.
   */
  addTexts(
    ticket: number,
    ids: Uint32Array,
    lengths: Uint32Array,
    vectors: readonly Vector[],
  ): void;
  /** Queues a call to which all texts have been added. */
  submit(ticket: number): void;
  /**
   * Reads a `tokenizer.json`, on a thread for such files, for a model whose embedding table has
   * `vocabulary` rows. `endToken` is appended to every text if the file's template adds nothing.
   */
  openTokenizer(path: string, vocabulary: number, endToken: string): Pending<OpenedTokenizer>;
  /** Releases a tokenizer. Its memory is freed when no work uses it. */
  closeTokenizer(tokenizer: number): void;
  /** Converts texts, at least one, each with `prefix` before it, on the text thread. */
  tokenize(
    tokenizer: number,
    prefix: string,
    texts: readonly string[],
    options: TokenizeOptions,
  ): Pending<Tokenized>;
  /** Drops work. Does nothing if it has already settled. */
  cancel(ticket: number): void;
  /** Address of an array's first byte. For the test that vectors are not copied. */
  addressOf(array: Float32Array): bigint;
  /** Address to which the backend last wrote a vector. For the same test. */
  lastPooledAddress(): bigint;
}
