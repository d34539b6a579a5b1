// The types of what the native addon takes and exports. Types alone: importing them loads nothing.

export type Precision = 'f32' | 'bf16' | 'f16' | 'int8';

/** How a tensor's bytes are stored in the checkpoint. */
export type StoredType = 'f32' | 'bf16' | 'f16';

/** Where one tensor's bytes lie. Native checks them against the file and against the config once more. */
export interface TensorSource {
  /** Index into `ModelSource.files`. */
  readonly file: number;
  /** From the start of the file, in bytes. */
  readonly offset: number;
  readonly bytes: number;
  readonly dtype: StoredType;
  /** A vector of n values has 1 row and n cols. */
  readonly rows: number;
  readonly cols: number;
}

/** The numbers of `config.json` that the forward pass needs. */
export interface ModelConfig {
  readonly hidden: number;
  readonly intermediate: number;
  readonly layers: number;
  readonly queryHeads: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** Rows of the embedding table: every token id is below it. */
  readonly vocabulary: number;
  readonly maxPositions: number;
  readonly normEps: number;
  readonly ropeTheta: number;
}

/** Tensors of one layer, by role. */
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

/** A checkpoint, ready to be read by native. */
export interface ModelSource {
  readonly config: ModelConfig;
  /** Absolute paths of the safetensors files. */
  readonly files: readonly string[];
  readonly embeddings: TensorSource;
  readonly finalNorm: TensorSource;
  readonly layers: readonly LayerSource[];
}

/** What computes, for people to read. */
export interface DeviceInfo {
  /** `cpu`, `cuda` or `reference`. */
  readonly name: string;
  /** The CPU's instructions, or the card's name and architecture. */
  readonly instructionSet: string;
  /** Threads of the CPU, or multiprocessors of the card. */
  readonly threads: number;
}

/** Where and in what to compute. Empty strings and 0 leave the choice to native. */
export interface DeviceRequest {
  readonly device: string;
  readonly precision: Precision | 'auto';
  readonly threads: number;
  readonly instructionSet: string;
  readonly cudaLibrary: string;
}

/** A model in native memory, known to this environment (main thread or worker) by a number. */
export interface LoadedModel {
  readonly model: number;
  readonly device: DeviceInfo;
  readonly precision: Precision;
  /** Tokens with which a batch computes at full speed. */
  readonly batchTokens: number;
  /** Tokens of the longest text: the model's, or fewer where a card has no memory for more. */
  readonly maxTokens: number;
  /** Which CUDA library was opened, or why `auto` took no card. Empty where neither was asked for. */
  readonly note: string;
}

/** Work that native has taken. `cancel(ticket)` drops it, and `promise` then settles with nothing. */
export interface Pending<T> {
  readonly ticket: number;
  readonly promise: Promise<T | undefined>;
}

export interface Vectors {
  /** count x dimensions, packed; rows that are not finite are zeros. */
  readonly vectors: Float32Array;
  /** Rows that are not finite, ascending. */
  readonly nonFinite: readonly number[];
}

/**
 * What native does. It throws and rejects with an Error whose `code` is an `ErrorCode`.
 */
export interface Addon {
  /**
   * Reads a checkpoint into a backend's memory, on a thread of its own. Shares the weights with a model already
   * loaded from the same files, device and precision.
   */
  load(
    source: ModelSource,
    request: DeviceRequest,
    onProgress: ((loaded: number, total: number) => void) | undefined,
  ): Pending<LoadedModel>;
  /** Forgets a model. Work that holds it ends first. */
  unload(model: number): void;
  /**
   * Queues texts. `ids` holds the token ids of all texts one after another, `lengths` how many each has (none is 0).
   * `maxBatchTokens`: how many tokens may share a batch with them. `batchInvariant`: no bit of a vector may depend on
   * what shares its batch.
   */
  embed(
    model: number,
    ids: Uint32Array,
    lengths: Uint32Array,
    dimensions: number,
    maxBatchTokens: number,
    batchInvariant: boolean,
  ): Pending<Vectors>;
  cancel(ticket: number): void;
  /** Address of an array's first byte. For the test that no copy is made. */
  addressOf(array: Float32Array): bigint;
  /** Where the backend was last told to write a vector. For the same test. */
  lastPooledAddress(): bigint;
}
