// Loads a checkpoint: checks tensors against their files and the config, reads them piece by piece
// and passes them to the backend. lib/ handles tensor names and JSON.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "model/model.h"
#include "platform/file.h"

namespace qwen3 {

// Called after every piece with the bytes read so far and in total. The load stops if it returns
// false.
using LoadProgress = std::function<bool(uint64_t loaded, uint64_t total)>;

// Bytes of a model's weights and tables in a backend's memory. Uses the types and shapes of
// `source` only; its files need not exist.
size_t model_bytes(const ModelSource& source, const Backend& backend);

// Loads a checkpoint. `left_free`: bytes that must be free in the backend's memory after loading.
// Throws Error. Null if `progress` returned false.
std::unique_ptr<Model> load_model(const ModelSource& source,
                                  const std::vector<std::unique_ptr<File>>& files,
                                  std::unique_ptr<Backend> backend, size_t left_free,
                                  const LoadProgress& progress);

}  // namespace qwen3
