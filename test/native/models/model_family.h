// The models of the Qwen3-Embedding family, and the tensors of a model of any size, for tests and
// benchmarks.
#pragma once
#include "model/model.h"

namespace qwen3::test {

inline ModelConfig qwen3_embedding(uint32_t hidden, uint32_t intermediate, uint32_t layers,
                                   uint32_t query_heads, uint32_t vocabulary,
                                   uint32_t max_positions) {
  return {.hidden = hidden,
          .intermediate = intermediate,
          .layers = layers,
          .query_heads = query_heads,
          .key_value_heads = 8,
          .head_dim = 128,
          .vocabulary = vocabulary,
          .max_positions = max_positions,
          .norm_eps = 1e-6f,
          .rope_theta = 1e6};
}
inline const ModelConfig kQwen3Embedding06B = qwen3_embedding(1024, 3072, 28, 16, 151'669, 32'768);
inline const ModelConfig kQwen3Embedding4B = qwen3_embedding(2560, 9728, 36, 32, 151'665, 40'960);
inline const ModelConfig kQwen3Embedding8B = qwen3_embedding(4096, 12'288, 36, 32, 151'665, 40'960);

// Calls gain(count) and linear(rows, cols) for the tensors, in the order of a checkpoint.
// `embeddings` is the token embedding table.
template <typename Gain, typename Linear>
ModelSource model_source(const ModelConfig& c, const TensorSource& embeddings, Gain gain,
                         Linear linear) {
  const uint32_t queries = c.query_heads * c.head_dim, keys = c.key_value_heads * c.head_dim;
  ModelSource source{c, {}, embeddings, gain(c.hidden), {}};
  for (uint32_t i = 0; i < c.layers; ++i) {
    source.layers.push_back({.attention_norm = gain(c.hidden),
                             .query = linear(queries, c.hidden),
                             .key = linear(keys, c.hidden),
                             .value = linear(keys, c.hidden),
                             .query_norm = gain(c.head_dim),
                             .key_norm = gain(c.head_dim),
                             .attention_out = linear(c.hidden, queries),
                             .mlp_norm = gain(c.hidden),
                             .gate = linear(c.intermediate, c.hidden),
                             .up = linear(c.intermediate, c.hidden),
                             .down = linear(c.hidden, c.intermediate)});
  }
  return source;
}

}  // namespace qwen3::test
