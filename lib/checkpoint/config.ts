// Reads `config.json`. Refuses every setting that the forward pass does not implement, so that no
// model silently produces wrong vectors.
// Fields: https://huggingface.co/docs/transformers/model_doc/qwen3 (Qwen3Config).

import type { ModelConfig } from '../addon/types';
import { EmbedderError } from '../errors';
import { show } from '../show';
import { invalid, unsupported } from './errors';
import { type Folder, isObject, type JsonObject } from './folder';

// Bounds far above all published models. They keep sizes in bytes exact in a double. A value
// outside of them means a damaged file, not a larger model. 2^20 positions result in a rotation
// table of 512 MB.
const bounds = {
  hidden_size: [32, 65_536],
  intermediate_size: [1, 1_048_576],
  num_hidden_layers: [1, 1_024],
  num_attention_heads: [1, 1_024],
  num_key_value_heads: [1, 1_024],
  vocab_size: [1, 16_777_216],
  max_position_embeddings: [1, 1_048_576],
} as const;

// The only supported value of each field, which is also its default.
const supported: Readonly<Record<string, unknown>> = {
  hidden_act: 'silu',
  attention_bias: false,
  use_sliding_window: false,
  is_causal: true,
  use_bidirectional_attention: false,
};

/** Reads `config.json`. Throws `MODEL_NOT_FOUND`, `MODEL_INVALID` or `MODEL_UNSUPPORTED`. */
export async function readConfig(folder: Folder): Promise<ModelConfig> {
  const file = folder.file('config.json');
  const config = await folder.readJsonObject(file);
  if (!config) {
    throw new EmbedderError(
      'MODEL_NOT_FOUND',
      `${folder.path} is not a checkpoint: it has no config.json.`,
    );
  }
  refuseOtherModels(config, file);
  const read = (name: keyof typeof bounds) => integer(config, name, file);
  const queryHeads = read('num_attention_heads');
  const keyValueHeads = read('num_key_value_heads');
  if (queryHeads % keyValueHeads !== 0) {
    throw invalid(
      file,
      `num_attention_heads ${queryHeads} is not a multiple of num_key_value_heads ${keyValueHeads}`,
    );
  }
  return {
    hidden: read('hidden_size'),
    intermediate: read('intermediate_size'),
    layers: read('num_hidden_layers'),
    queryHeads,
    keyValueHeads,
    headDim: 128,
    vocabulary: read('vocab_size'),
    maxPositions: read('max_position_embeddings'),
    normEps: realNumber(config.rms_norm_eps, 'rms_norm_eps', 1e-12, 0.1, file),
    ropeTheta: ropeTheta(config, file),
  };
}

function refuseOtherModels(config: JsonObject, file: string): void {
  if (config.model_type !== 'qwen3') {
    throw unsupported(file, `model_type is ${show(config.model_type)}; only "qwen3" is supported`);
  }
  for (const [name, expected] of Object.entries(supported)) {
    const value = config[name] ?? expected;
    if (value !== expected)
      throw unsupported(file, `${name} is ${show(value)}; only ${show(expected)} is supported`);
  }
  if (config.quantization_config)
    throw unsupported(file, 'the weights are quantized (quantization_config)');
  const layerTypes = config.layer_types ?? [];
  if (!Array.isArray(layerTypes)) throw invalid(file, 'layer_types is not an array');
  const other = layerTypes.find((type) => type !== 'full_attention');
  if (other !== undefined) {
    throw unsupported(
      file,
      `layer_types contains ${show(other)}; only "full_attention" is supported`,
    );
  }
  const headDim = config.head_dim ?? 128;
  if (headDim !== 128) {
    if (typeof headDim !== 'number' || !(Number.isInteger(headDim) && headDim > 0)) {
      throw invalid(file, `head_dim is ${show(headDim)}; it must be 128`);
    }
    throw unsupported(file, `head_dim is ${headDim}; only 128 is supported`);
  }
}

/** The RoPE base, from the top level or `rope_parameters`. Throws if RoPE scaling is configured. */
function ropeTheta(config: JsonObject, file: string): number {
  const parameters = config.rope_parameters ?? {};
  if (!isObject(parameters)) throw invalid(file, 'rope_parameters is not an object');
  for (const scaling of [parameters, config.rope_scaling ?? {}]) {
    if (!isObject(scaling)) throw invalid(file, 'rope_scaling is not an object');
    const kind = scaling.rope_type ?? scaling.type ?? 'default';
    if (kind !== 'default')
      throw unsupported(file, `rope scaling is ${show(kind)}; only "default" is supported`);
  }
  const thetas = [parameters.rope_theta, config.rope_theta].filter((theta) => theta !== undefined);
  if (thetas.length === 2 && thetas[0] !== thetas[1]) {
    throw invalid(
      file,
      `rope_theta is ${show(config.rope_theta)}, but ${show(thetas[0])} in rope_parameters`,
    );
  }
  return realNumber(thetas[0], 'rope_theta', 1, 1e12, file);
}

function integer(config: JsonObject, name: keyof typeof bounds, file: string): number {
  const value = realNumber(config[name], name, bounds[name][0], bounds[name][1], file);
  if (!Number.isInteger(value)) throw invalid(file, `${name} is ${value}, not an integer`);
  return value;
}

function realNumber(value: unknown, name: string, low: number, high: number, file: string): number {
  if (value === undefined) throw invalid(file, `${name} is missing`);
  if (typeof value !== 'number') throw invalid(file, `${name} is ${show(value)}, not a number`);
  if (!(value >= low && value <= high))
    throw invalid(file, `${name} is ${value}; it must be from ${low} to ${high}`);
  return value;
}
