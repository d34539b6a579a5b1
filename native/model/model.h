// A model in a backend's memory. Immutable once loaded.
#pragma once
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "model/model_source.h"

namespace qwen3 {

// Weights of one layer. Projections are [out, in].
struct Layer {
  Matrix attention_norm;
  Matrix query;      // [query heads * dim, hidden]
  Matrix key_value;  // [2 * key/value heads * dim, hidden], keys first
  Matrix query_norm, key_norm;
  Matrix attention_out;  // [hidden, query heads * dim]
  Matrix mlp_norm;
  Matrix gate_up;  // [2 * intermediate, hidden], gate first
  Matrix down;     // [hidden, intermediate]
};

// Backend memory that is released on destruction.
struct BackendRelease {
  Backend* backend;
  void operator()(void* memory) const { backend->release(memory); }
};
using BackendMemory = std::unique_ptr<void, BackendRelease>;

// Throws Error(out_of_memory) with `what`, the requested and the available size in its message.
BackendMemory allocate(Backend& backend, size_t bytes, const char* what);

struct Model {
  Model(const ModelConfig& config, std::unique_ptr<Backend> backend);

  ModelConfig config;
  std::unique_ptr<Backend> backend;
  Heads heads;
  Matrix embeddings, final_norm;
  std::vector<Layer> layers;
  BackendMemory memory;  // of the matrices above and the rotations
};

}  // namespace qwen3
