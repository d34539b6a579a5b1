// A model in a backend's memory, and how it gets there: tensors are checked against their files and the config, read
// piece by piece and handed to the backend. Names and JSON are the TypeScript side's.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "platform/file.h"

namespace qwen3 {

// The numbers of config.json that the forward pass needs.
struct ModelConfig {
  uint32_t hidden, intermediate, layers, query_heads, key_value_heads, head_dim;
  uint32_t vocabulary;     // rows of the embedding table
  uint32_t max_positions;  // tokens of the longest text
  float norm_eps;
  double rope_theta;
};

// Where a tensor's bytes lie, as a safetensors header says. A vector of n values is 1 x n.
struct TensorSource {
  uint32_t file;  // index into ModelSource::files
  uint64_t offset, bytes;
  DType dtype;
  uint32_t rows, cols;
};

struct LayerSource {
  TensorSource attention_norm, query, key, value, query_norm, key_norm, attention_out, mlp_norm, gate, up,
      down;
};

struct ModelSource {
  ModelConfig config;
  std::vector<std::string> files;
  TensorSource embeddings, final_norm;
  std::vector<LayerSource> layers;
};

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

// What a batch takes up.
struct BatchSize {
  uint32_t texts, tokens, pages;

  bool holds(const BatchSize& other) const {
    return texts >= other.texts && tokens >= other.tokens && pages >= other.pages;
  }
};

constexpr uint32_t page_count(size_t tokens) {
  return static_cast<uint32_t>((tokens + kPageTokens - 1) / kPageTokens);
}

class Workspace;

struct Model {
  Model(const ModelConfig& config, std::unique_ptr<Backend> backend);
  ~Model();

  ModelConfig config;
  std::unique_ptr<Backend> backend;
  Heads heads;
  Matrix embeddings, final_norm;
  std::vector<Layer> layers;
  BackendMemory memory;                  // what the matrices above point into
  std::unique_ptr<Workspace> workspace;  // memory of its batches; the engine thread's
  BatchSize limits;                      // the workspace's
  std::atomic<bool> failed = false;      // its device is broken, and stays so
};

// Called after every piece with the bytes read so far and in all; false stops the load.
using LoadProgress = std::function<bool(uint64_t loaded, uint64_t total)>;

// Bytes of a model's weights and tables in a backend's memory. The source need not exist: its types and shapes count.
size_t model_bytes(const ModelSource& source, const Backend& on);

// Reads a checkpoint. Throws Error; null where progress said stop.
std::shared_ptr<Model> load_model(const ModelSource& source, const std::vector<std::unique_ptr<File>>& files,
                                  std::unique_ptr<Backend> backend, const LoadProgress& progress);

}  // namespace qwen3
