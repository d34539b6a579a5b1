// The package's public API.

export type { DeviceInfo, Precision, SpecialTokens, Vector } from './addon/types';
export type { AbortSignalLike } from './cancellation';
export { Embedder } from './embedder';
export { EmbedderError, type ErrorCode } from './errors';
export type { CountOptions, EmbedOptions } from './options/embed';
export type { Input } from './options/inputs';
export type { Device, LoadOptions, Progress } from './options/load';
