// From a checkpoint to a model: tensors are checked against their files and the config, read piece by piece and handed
// to the backend. Names and JSON are the TypeScript side's.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "model/model.h"
#include "platform/file.h"

namespace qwen3 {

// Called after every piece with the bytes read so far and in all; false stops the load.
using LoadProgress = std::function<bool(uint64_t loaded, uint64_t total)>;

// Bytes of a model's weights and tables in a backend's memory. The source need not exist: its types and shapes count.
size_t model_bytes(const ModelSource& source, const Backend& on);

// Reads a checkpoint. `left_free`: bytes that the backend must have free beside the weights once they are loaded.
// Throws Error; null where progress said stop.
std::unique_ptr<Model> load_model(const ModelSource& source,
                                  const std::vector<std::unique_ptr<File>>& files,
                                  std::unique_ptr<Backend> backend, size_t left_free,
                                  const LoadProgress& progress);

}  // namespace qwen3
