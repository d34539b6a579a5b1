// A checkpoint as described by lib/: the sizes of the model and the location of each tensor.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace qwen3 {

// The values of config.json that the forward pass needs.
struct ModelConfig {
  uint32_t hidden, intermediate, layers, query_heads, key_value_heads, head_dim;
  uint32_t vocabulary;     // rows of the embedding table
  uint32_t max_positions;  // tokens of the longest text
  float norm_eps;
  double rope_theta;
};

// Location, type and shape of a tensor, from a safetensors header. A vector of n values is 1 x n.
struct TensorSource {
  uint32_t file;           // index into ModelSource::files
  uint64_t offset, bytes;  // offset from the start of the file
  DType dtype;
  uint32_t rows, cols;
};

struct LayerSource {
  TensorSource attention_norm, query, key, value, query_norm, key_norm, attention_out, mlp_norm,
      gate, up, down;
};

// A safetensors file. The version identifies its state when lib/ read the header: loads share
// weights only if it is equal.
struct FileSource {
  std::string path, version;
};

struct ModelSource {
  ModelConfig config;
  std::vector<FileSource> files;
  TensorSource embeddings, final_norm;
  std::vector<LayerSource> layers;
};

}  // namespace qwen3
