// Builds the header of a GGUF file (version 3) for a Qwen3 embedding model, which llama.cpp reads
// before the weights. The vocabulary consists of placeholders, because the benchmark embeds token
// ids, never text.

const kinds = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 };
const alignment = 32;
const endOfText = 151643;

/** Returns the header, and the tensors with `begin` (byte offset after it) and `bytesPerValue`. */
export function ggufHeader(tensors, shape) {
  let end = 0;
  const placed = tensors.map((tensor) => {
    const begin = end;
    const bytesPerValue = tensor.gain ? 4 : 2; // llama.cpp requires gains in float32
    end = Math.ceil((begin + tensor.values * bytesPerValue) / alignment) * alignment;
    return { ...tensor, begin, bytesPerValue };
  });
  const entries = metadata(shape);
  const infos = placed.map(({ ggufName, shape: dimensions, gain, begin }) => [
    string(ggufName),
    u32(dimensions.length),
    ...dimensions.toReversed().map(u64),
    u32(gain ? 0 : 30), // GGML_TYPE_F32, GGML_TYPE_BF16
    u64(begin),
  ]);
  const bytes = Buffer.concat(
    [
      Buffer.from('GGUF'),
      u32(3),
      u64(placed.length),
      u64(entries.length),
      ...entries,
      ...infos,
    ].flat(Infinity),
  );
  const padding = Buffer.alloc((alignment - (bytes.length % alignment)) % alignment);
  return { header: Buffer.concat([bytes, padding]), placed };
}

function metadata({ hidden, intermediate, layers, queryHeads, keyValueHeads, headDim, rows }) {
  return [
    entry('general.architecture', 'string', string('qwen3')),
    entry('general.name', 'string', string('synthetic')),
    entry('general.file_type', 'u32', u32(32)), // mostly BF16
    entry('general.quantization_version', 'u32', u32(2)),
    entry('qwen3.block_count', 'u32', u32(layers)),
    entry('qwen3.context_length', 'u32', u32(32768)),
    entry('qwen3.embedding_length', 'u32', u32(hidden)),
    entry('qwen3.feed_forward_length', 'u32', u32(intermediate)),
    entry('qwen3.attention.head_count', 'u32', u32(queryHeads)),
    entry('qwen3.attention.head_count_kv', 'u32', u32(keyValueHeads)),
    entry('qwen3.attention.key_length', 'u32', u32(headDim)),
    entry('qwen3.attention.value_length', 'u32', u32(headDim)),
    entry('qwen3.rope.freq_base', 'f32', f32(1e6)),
    entry('qwen3.attention.layer_norm_rms_epsilon', 'f32', f32(1e-6)),
    entry('qwen3.pooling_type', 'u32', u32(3)), // the last token
    entry('tokenizer.ggml.model', 'string', string('gpt2')),
    entry('tokenizer.ggml.pre', 'string', string('qwen2')),
    entry(
      'tokenizer.ggml.tokens',
      'array',
      array(
        'string',
        Array.from({ length: rows }, (_, id) => string(token(id))),
      ),
    ),
    entry(
      'tokenizer.ggml.token_type',
      'array',
      array(
        'i32',
        Array.from({ length: rows }, (_, id) => u32(tokenType(id))),
      ),
    ),
    entry('tokenizer.ggml.merges', 'array', array('string', [string('a b')])),
    entry('tokenizer.ggml.eos_token_id', 'u32', u32(endOfText)),
    entry('tokenizer.ggml.padding_token_id', 'u32', u32(endOfText)),
    entry('tokenizer.ggml.add_bos_token', 'bool', Buffer.of(0)),
    entry('tokenizer.ggml.add_eos_token', 'bool', Buffer.of(1)),
  ];
}

/**
 * The name of a token. The first 256 are single bytes in the notation of byte-level BPE, because
 * llama.cpp looks up the line feed.
 */
function token(id) {
  if (id === endOfText) return '<|endoftext|>';
  if (id >= 256) return `token${id}`;
  const printable = (id >= 0x21 && id <= 0x7e) || (id >= 0xa1 && id <= 0xac) || id >= 0xae;
  return String.fromCodePoint(
    printable ? id : id < 0x21 ? 256 + id : id < 0xa1 ? 256 + 33 + id - 0x7f : 256 + 67,
  );
}

function tokenType(id) {
  return id === endOfText ? 3 : 1; // control, normal
}

function entry(key, kind, value) {
  return [string(key), u32(kinds[kind]), value];
}

function array(kind, items) {
  return [u32(kinds[kind]), u64(items.length), ...items];
}

function string(text) {
  const bytes = Buffer.from(text);
  return [u64(bytes.length), bytes];
}

function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function f32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}
