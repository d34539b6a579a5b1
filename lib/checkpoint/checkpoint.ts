// Reads a checkpoint folder: what native needs to load the weights, and what the tokenizer and the
// checks of options need to know about the model. Only this file knows Hugging Face's tensor names.

import type { LayerSource, ModelSource, StoredType, TensorSource } from '../addon/types';
import { show, showItems } from '../show';
import { readConfig } from './config';
import { invalid, unsupported } from './errors';
import { Folder } from './folder';
import { checkPooling } from './pooling';
import { readPrompts } from './prompts';
import { readTensorTable, type StoredTensor, type TensorTable } from './safetensors';

export interface Checkpoint {
  readonly folder: Folder;
  readonly source: ModelSource;
  /** The model's prompts, by name. */
  readonly prompts: ReadonlyMap<string, string>;
  /** Absolute path of `tokenizer.json`; undefined if the folder has none. */
  readonly tokenizer: string | undefined;
}

const storedTypes: Readonly<Record<string, StoredType>> = { F32: 'f32', BF16: 'bf16', F16: 'f16' };
const bytesOf: Readonly<Record<StoredType, number>> = { f32: 4, bf16: 2, f16: 2 };

/**
 * Reads and checks all files of a checkpoint folder except the weights' data and the tokenizer.
 * Throws `MODEL_NOT_FOUND`, `MODEL_INVALID` or `MODEL_UNSUPPORTED`.
 */
export async function readCheckpoint(name: string): Promise<Checkpoint> {
  const folder = await Folder.open(name);
  const config = await readConfig(folder);
  await checkPooling(folder, config.hidden);
  const prompts = await readPrompts(folder);
  const table = await readTensorTable(folder);
  const source = { config, files: table.files, ...tensorsByRole(config, table, folder.path) };
  const tokenizer = folder.file('tokenizer.json');
  return {
    folder,
    source,
    prompts,
    tokenizer: (await folder.stateOf(tokenizer)) ? tokenizer : undefined,
  };
}

/** Finds the tensor of each role. Other tensors, such as `lm_head`, are ignored. */
function tensorsByRole(
  config: ModelSource['config'],
  table: TensorTable,
  folder: string,
): Pick<ModelSource, 'embeddings' | 'finalNorm' | 'layers'> {
  const { hidden, intermediate, headDim } = config;
  const query = config.queryHeads * headDim;
  const keyValue = config.keyValueHeads * headDim;
  // The published embedding models omit the prefix; rerankers and most fine-tuned models have it.
  const prefix = table.tensors.has('model.embed_tokens.weight') ? 'model.' : '';
  const matrix = (name: string, rows: number, cols: number) => {
    const full = `${prefix}${name}.weight`;
    return tensorSource(full, table.tensors.get(full), [rows, cols], folder);
  };
  const vector = (name: string, values: number) => {
    const full = `${prefix}${name}.weight`;
    return tensorSource(full, table.tensors.get(full), [values], folder);
  };
  const layer = (index: number): LayerSource => {
    const at = `layers.${index}`;
    return {
      attentionNorm: vector(`${at}.input_layernorm`, hidden),
      query: matrix(`${at}.self_attn.q_proj`, query, hidden),
      key: matrix(`${at}.self_attn.k_proj`, keyValue, hidden),
      value: matrix(`${at}.self_attn.v_proj`, keyValue, hidden),
      queryNorm: vector(`${at}.self_attn.q_norm`, headDim),
      keyNorm: vector(`${at}.self_attn.k_norm`, headDim),
      attentionOut: matrix(`${at}.self_attn.o_proj`, hidden, query),
      mlpNorm: vector(`${at}.post_attention_layernorm`, hidden),
      gate: matrix(`${at}.mlp.gate_proj`, intermediate, hidden),
      up: matrix(`${at}.mlp.up_proj`, intermediate, hidden),
      down: matrix(`${at}.mlp.down_proj`, hidden, intermediate),
    };
  };
  return {
    embeddings: matrix('embed_tokens', config.vocabulary, hidden),
    finalNorm: vector('norm', hidden),
    layers: Array.from({ length: config.layers }, (_, index) => layer(index)),
  };
}

function tensorSource(
  name: string,
  stored: StoredTensor | undefined,
  shape: readonly number[],
  folder: string,
): TensorSource {
  const invalidTensor = (what: string) => invalid(folder, `tensor ${name} ${what}`);
  if (!stored) throw invalidTensor('is missing');
  if (
    stored.shape.length !== shape.length ||
    stored.shape.some((size, axis) => size !== shape[axis])
  ) {
    throw invalidTensor(
      `has the shape ${show(stored.shape)}, but config.json requires ${show(shape)}`,
    );
  }
  const dtype = Object.hasOwn(storedTypes, stored.dtype) ? storedTypes[stored.dtype] : undefined;
  if (!dtype) {
    const known = showItems(Object.keys(storedTypes));
    throw unsupported(
      folder,
      `tensor ${name} is stored as ${show(stored.dtype)}; only ${known} are supported`,
    );
  }
  const rows = shape.length === 2 ? (shape[0] as number) : 1;
  const cols = shape.at(-1) as number;
  if (stored.bytes !== rows * cols * bytesOf[dtype]) {
    throw invalidTensor(
      `has ${stored.bytes} bytes, but its shape requires ${rows * cols * bytesOf[dtype]}`,
    );
  }
  return { file: stored.file, offset: stored.offset, bytes: stored.bytes, dtype, rows, cols };
}
