// What a checkpoint's JSON files say about the model: its sizes, its pooling and its prompts. Refuses whatever the
// forward pass does not compute, by name, so that no model ever gives vectors that are silently not its own.
// Fields: https://huggingface.co/docs/transformers/model_doc/qwen3 (Qwen3Config) and sentence-transformers' modules.

import path from 'node:path';
import type { ModelConfig } from '../addon/addon';
import { EmbedderError } from '../errors';
import { isObject, type JsonObject, readJson, readJsonObject } from './json_file';

// Upper bounds that leave every published model far behind and keep sizes in bytes exact: a number past them is a
// broken file, not a larger model. 2^20 positions make a rotation table of 512 MB.
const bounds = {
  hidden_size: [32, 65_536],
  intermediate_size: [1, 1_048_576],
  num_hidden_layers: [1, 1_024],
  num_attention_heads: [1, 1_024],
  num_key_value_heads: [1, 1_024],
  vocab_size: [1, 16_777_216],
  max_position_embeddings: [1, 1_048_576],
} as const;

// Qwen3's own attention and activation. Left out, each has the value that is computed.
const computed: Readonly<Record<string, unknown>> = {
  hidden_act: 'silu',
  attention_bias: false,
  use_sliding_window: false,
  is_causal: true,
  use_bidirectional_attention: false,
};

/** Reads `config.json`. Throws `MODEL_NOT_FOUND`, `MODEL_INVALID` or `MODEL_UNSUPPORTED`. */
export async function readConfig(folder: string): Promise<ModelConfig> {
  const file = path.join(folder, 'config.json');
  const config = await readJsonObject(file);
  if (!config) throw new EmbedderError('MODEL_NOT_FOUND', `${folder} is no checkpoint: it has no config.json.`);
  refuseOtherModels(config, file);
  const read = (name: keyof typeof bounds) => wholeNumber(config, name, file);
  const queryHeads = read('num_attention_heads');
  const keyValueHeads = read('num_key_value_heads');
  if (queryHeads % keyValueHeads !== 0) {
    throw invalid(file, `num_attention_heads ${queryHeads} is no multiple of num_key_value_heads ${keyValueHeads}`);
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
    throw unsupported(file, `model_type is ${show(config.model_type)}; only "qwen3" is computed`);
  }
  for (const [name, value] of Object.entries(computed)) {
    const asked = config[name] ?? value;
    if (asked !== value) throw unsupported(file, `${name} is ${show(asked)}; only ${show(value)} is computed`);
  }
  if (config.quantization_config) throw unsupported(file, 'the weights are quantized (quantization_config)');
  const layerTypes = config.layer_types ?? [];
  if (!Array.isArray(layerTypes)) throw invalid(file, 'layer_types is not an array');
  const other = layerTypes.find((type) => type !== 'full_attention');
  if (other !== undefined)
    throw unsupported(file, `layer_types holds ${show(other)}; only "full_attention" is computed`);
  const headDim = config.head_dim ?? 128;
  if (headDim !== 128) {
    if (typeof headDim !== 'number' || !(Number.isInteger(headDim) && headDim > 0)) {
      throw invalid(file, `head_dim is ${show(headDim)}; it must be 128`);
    }
    throw unsupported(file, `head_dim is ${headDim}; only 128 is computed`);
  }
}

/** The base of the rotation, at top level or in `rope_parameters`. Any kind of scaling is refused. */
function ropeTheta(config: JsonObject, file: string): number {
  const parameters = config.rope_parameters ?? {};
  if (!isObject(parameters)) throw invalid(file, 'rope_parameters is not an object');
  for (const scaling of [parameters, config.rope_scaling ?? {}]) {
    if (!isObject(scaling)) throw invalid(file, 'rope_scaling is not an object');
    const kind = scaling.rope_type ?? scaling.type ?? 'default';
    if (kind !== 'default') throw unsupported(file, `rope scaling is ${show(kind)}; only "default" is computed`);
  }
  const thetas = [parameters.rope_theta, config.rope_theta].filter((theta) => theta !== undefined);
  if (thetas.length === 2 && thetas[0] !== thetas[1]) {
    throw invalid(file, `rope_theta is ${show(config.rope_theta)}, but ${show(thetas[0])} in rope_parameters`);
  }
  return realNumber(thetas[0], 'rope_theta', 1, 1e12, file);
}

/**
 * Checks that `modules.json` and the pooling's own `config.json`, where there are any, ask for what is computed: the
 * last token's vector of `hidden` values, nothing but a normalisation after it.
 */
export async function checkPooling(folder: string, hidden: number): Promise<void> {
  const modulesFile = path.join(folder, 'modules.json');
  const modules = (await readJson(modulesFile)) ?? [{ type: 'Pooling', path: '1_Pooling' }];
  if (!Array.isArray(modules) || !modules.every(isObject))
    throw invalid(modulesFile, 'it must hold an array of objects');
  for (const module of modules) {
    const type = typeof module.type === 'string' ? module.type.split('.').at(-1) : undefined;
    if (type === 'Pooling') await checkPoolingFile(folder, module.path, hidden);
    else if (type !== 'Transformer' && type !== 'Normalize') {
      throw unsupported(modulesFile, `a module of type ${show(module.type)} is asked for`);
    }
  }
}

async function checkPoolingFile(folder: string, subfolder: unknown, hidden: number): Promise<void> {
  if (typeof subfolder !== 'string' || !isPlainName(subfolder)) {
    throw invalid(path.join(folder, 'modules.json'), `the pooling's path ${show(subfolder)} is no name of a folder`);
  }
  const file = path.join(folder, subfolder, 'config.json');
  const pooling = await readJsonObject(file);
  if (!pooling) return;
  // Either one flag for each mode or, since sentence-transformers 5, their names.
  const flags = Object.keys(pooling).filter((key) => key.startsWith('pooling_mode_') && pooling[key] !== false);
  const modes = [...flags.map((key) => key.slice('pooling_mode_'.length)), ...[pooling.pooling_mode ?? []].flat()];
  if (modes.length === 0 || modes.some((mode) => mode !== 'lasttoken')) {
    throw unsupported(file, `pooling is ${modes.map(String).join(' + ') || 'none'}; only lasttoken is computed`);
  }
  const width = pooling.word_embedding_dimension ?? pooling.embedding_dimension ?? hidden;
  if (width !== hidden) throw invalid(file, `the width is ${show(width)}, but hidden_size is ${hidden}`);
}

/** The model's own prompts by name, from `config_sentence_transformers.json`; none where there is no such file. */
export async function readPrompts(folder: string): Promise<ReadonlyMap<string, string>> {
  const file = path.join(folder, 'config_sentence_transformers.json');
  const prompts = (await readJsonObject(file))?.prompts ?? {};
  if (!isObject(prompts)) throw invalid(file, 'prompts is not an object');
  const texts = new Map<string, string>();
  for (const [name, text] of Object.entries(prompts)) {
    if (typeof text !== 'string') throw invalid(file, `the prompt ${show(name)} is not a string`);
    texts.set(name, text);
  }
  return texts;
}

/** Whether `name` names something in a folder itself, and nothing outside of it. */
export function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
}

function wholeNumber(config: JsonObject, name: keyof typeof bounds, file: string): number {
  const value = realNumber(config[name], name, bounds[name][0], bounds[name][1], file);
  if (!Number.isInteger(value)) throw invalid(file, `${name} is ${value}, not a whole number`);
  return value;
}

function realNumber(value: unknown, name: string, low: number, high: number, file: string): number {
  if (value === undefined) throw invalid(file, `${name} is missing`);
  if (typeof value !== 'number') throw invalid(file, `${name} is ${show(value)}, not a number`);
  if (!(value >= low && value <= high)) throw invalid(file, `${name} is ${value}; it must be from ${low} to ${high}`);
  return value;
}

function show(value: unknown): string {
  return value === undefined ? 'not there' : JSON.stringify(value).slice(0, 60);
}

function invalid(file: string, what: string): EmbedderError {
  return new EmbedderError('MODEL_INVALID', `${file}: ${what}.`);
}

function unsupported(file: string, what: string): EmbedderError {
  return new EmbedderError('MODEL_UNSUPPORTED', `${file}: ${what}.`);
}
