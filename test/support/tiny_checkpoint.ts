// A Qwen3 checkpoint of 50 kB or more with random weights, which tests can corrupt before it is
// written.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { randomNumbers } from './random_numbers.cjs';

export interface Tensor {
  dtype: string;
  shape: number[];
  /** Row-major values; written as bf16. */
  values: number[];
  /** Replaces the correct offsets in the header. */
  data_offsets?: unknown;
}

export interface TinyCheckpoint {
  config: Record<string, unknown>;
  tensors: Record<string, Tensor>;
}

/** One layer, hidden size 32, one head. */
export function tinyCheckpoint({ seed = 1, vocabulary = 64 } = {}): TinyCheckpoint {
  const config = {
    model_type: 'qwen3',
    hidden_act: 'silu',
    attention_bias: false,
    head_dim: 128,
    hidden_size: 32,
    intermediate_size: 48,
    max_position_embeddings: 256,
    num_attention_heads: 1,
    num_hidden_layers: 1,
    num_key_value_heads: 1,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    vocab_size: vocabulary,
    use_sliding_window: false,
  };
  const layer = 'layers.0';
  const shapes: Record<string, number[]> = {
    'embed_tokens.weight': [vocabulary, 32],
    [`${layer}.input_layernorm.weight`]: [32],
    [`${layer}.self_attn.q_proj.weight`]: [128, 32],
    [`${layer}.self_attn.k_proj.weight`]: [128, 32],
    [`${layer}.self_attn.v_proj.weight`]: [128, 32],
    [`${layer}.self_attn.q_norm.weight`]: [128],
    [`${layer}.self_attn.k_norm.weight`]: [128],
    [`${layer}.self_attn.o_proj.weight`]: [32, 128],
    [`${layer}.post_attention_layernorm.weight`]: [32],
    [`${layer}.mlp.gate_proj.weight`]: [48, 32],
    [`${layer}.mlp.up_proj.weight`]: [48, 32],
    [`${layer}.mlp.down_proj.weight`]: [32, 48],
    'norm.weight': [32],
  };
  const random = randomNumbers(seed);
  const tensors = Object.entries(shapes).map(([name, shape]): [string, Tensor] => {
    const count = shape.reduce((product, size) => product * size, 1);
    return [
      name,
      { dtype: 'BF16', shape, values: Array.from({ length: count }, () => random() - 0.5) },
    ];
  });
  return { config, tensors: Object.fromEntries(tensors) };
}

/** Writes `config.json` and `model.safetensors`. */
export function writeCheckpoint(folder: string, { config, tensors }: TinyCheckpoint): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config));
  writeFileSync(path.join(folder, 'model.safetensors'), safetensors(tensors));
}

export function safetensors(tensors: Readonly<Record<string, Tensor>>): Buffer {
  const parts: Buffer[] = [];
  let end = 0;
  const header = Object.entries(tensors).map(([name, { dtype, shape, values, data_offsets }]) => {
    const bytes = bf16(values);
    parts.push(bytes);
    const begin = end;
    end += bytes.length;
    return [name, { dtype, shape, data_offsets: data_offsets ?? [begin, end] }];
  });
  return withHeader(JSON.stringify(Object.fromEntries(header)), Buffer.concat(parts));
}

/** A safetensors file with any header text, and any value as the length of the header. */
export function withHeader(
  header: string,
  data: Buffer,
  statedLength = BigInt(Buffer.byteLength(header)),
): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(statedLength);
  return Buffer.concat([length, Buffer.from(header), data]);
}

function bf16(values: readonly number[]): Buffer {
  const words = new Uint32Array(Float32Array.from(values).buffer);
  return Buffer.from(Uint16Array.from(words, (word) => word >>> 16).buffer);
}
