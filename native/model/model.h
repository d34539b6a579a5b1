// A model in a backend's memory. Nothing of it changes once it is loaded.
#pragma once
#include <memory>
#include <vector>

#include "backend/backend.h"
#include "model/model_source.h"

namespace qwen3 {

// Weights of one layer; [out, in].
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

// Memory of a backend that goes back to it.
struct BackendRelease {
  Backend* on;
  void operator()(void* memory) const { on->release(memory); }
};
using BackendMemory = std::unique_ptr<void, BackendRelease>;

// Throws Error(out_of_memory) that names both figures.
BackendMemory allocate(Backend& on, size_t bytes, const char* what);

struct Model {
  Model(const ModelConfig& config, std::unique_ptr<Backend> backend);

  ModelConfig config;
  std::unique_ptr<Backend> backend;
  Heads heads;
  Matrix embeddings, final_norm;
  std::vector<Layer> layers;
  BackendMemory memory;  // what the matrices above point into
};

}  // namespace qwen3
