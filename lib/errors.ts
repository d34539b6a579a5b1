// The one error class of the package and its codes. native/error.h holds the same list.

export const errorCodes = [
  'MODEL_NOT_FOUND',
  'MODEL_INVALID',
  'MODEL_UNSUPPORTED',
  'INPUT_TOO_LONG',
  'DEVICE_UNAVAILABLE',
  'OUT_OF_MEMORY',
  'DEVICE_FAILED',
  'NON_FINITE',
  'PRECISION_UNSUPPORTED',
  'CLOSED',
] as const;

/** Why an operation failed. README.md says what to do about each. */
export type ErrorCode = (typeof errorCodes)[number];

/**
 * Everything that can go wrong apart from programming mistakes (`TypeError`, `RangeError`) and cancelling (the
 * signal's own reason).
 */
export class EmbedderError extends Error {
  override readonly name = 'EmbedderError';
  readonly code: ErrorCode;
  /** `NON_FINITE`: which inputs of the call gave no finite vector. */
  readonly indices?: readonly number[];
  /** `NON_FINITE`: the vectors of the call, `null` where the text failed. */
  readonly vectors?: readonly (Float32Array | null)[];

  constructor(
    code: ErrorCode,
    message: string,
    details: {
      cause?: unknown;
      indices?: readonly number[];
      vectors?: readonly (Float32Array | null)[];
    } = {},
  ) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    if (details.indices) this.indices = details.indices;
    if (details.vectors) this.vectors = details.vectors;
  }
}
