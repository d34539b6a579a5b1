// The package's public names.

export type { DeviceInfo, Precision } from './addon/addon';
export { Embedder } from './embedder';
export { EmbedderError, type ErrorCode } from './errors';
export type {
  CountOptions,
  Device,
  EmbedOptions,
  Input,
  LoadOptions,
  Progress,
  SpecialTokens,
} from './options/options';
