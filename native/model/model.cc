#include "model/model.h"

#include <string>
#include <utility>

#include "error.h"

namespace qwen3 {

BackendMemory allocate(Backend& backend, size_t bytes, const char* what) {
  const size_t available = backend.available_bytes();
  void* memory = bytes <= available ? backend.allocate(bytes) : nullptr;
  if (!memory) {
    const std::string need = std::string(what) + " need " + std::to_string(bytes >> 20) + " MiB, ";
    throw Error(ErrorCode::out_of_memory, need + std::to_string(available >> 20) + " MiB are free");
  }
  return BackendMemory(memory, {&backend});
}

Model::Model(const ModelConfig& config, std::unique_ptr<Backend> owned_backend)
    : config(config),
      backend(std::move(owned_backend)),
      layers(config.layers),
      memory(nullptr, {backend.get()}) {}

}  // namespace qwen3
